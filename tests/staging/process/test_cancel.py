"""Signals set a flag; nothing is interrupted, and what waits for the flag hears it at once."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from staging.config.secret_url import look_up_in, look_up_url
from staging.errors import ExitCode, HeldError, InputError, InterruptedRunError
from staging.process.cancel import Cancel, cancel_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_sets_the_flag_and_raises_nothing(number: signal.Signals) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with cancel_on_signals() as cancel:
        cancel.check()
        os.kill(os.getpid(), number)
        assert cancel.is_set()
        with pytest.raises(InterruptedRunError) as caught:
            cancel.check()
        assert caught.value.exit_code == ExitCode.UNAVAILABLE
        os.kill(os.getpid(), number)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_wait_ends_as_soon_as_the_flag_is_set() -> None:
    cancel = Cancel()
    threading.Timer(0.05, cancel.set).start()
    with pytest.raises(InterruptedRunError):
        cancel.wait(600)
    cancel.wait_until_set()


def test_work_that_is_stopped_for_a_reason_ends_with_the_first_one() -> None:
    cancel, reason = Cancel(), HeldError("Somebody else has it.")
    assert cancel.reason is None
    cancel.set(reason)
    cancel.set(HeldError("Another one."))
    cancel.set()
    for stopped in (cancel.check, lambda: cancel.wait(600)):
        with pytest.raises(HeldError) as caught:
            stopped()
        assert caught.value is reason is cancel.reason


def test_a_wait_that_nobody_interrupts_just_ends() -> None:
    Cancel().wait(0.001)


def test_a_url_is_looked_up_where_the_reference_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://u:p%40:x@h/d"
    (tmp_path / "url").write_text(f"{url}\n")
    monkeypatch.setenv("SHOP_URL", f" {url} ")
    assert look_up_url("env:SHOP_URL") == url
    assert look_up_url(f"file:{tmp_path}/url") == url
    assert look_up_url(url) == url
    assert look_up_in({"SHOP_URL": "other"})("env:SHOP_URL") == "other"


def test_a_reference_to_nothing_is_told_without_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_URL", raising=False)
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe canary")
    for reference in ("env:SHOP_URL", *(f"file:{tmp_path}/{name}" for name in ("missing", "empty", "binary", "."))):
        with pytest.raises(InputError) as caught:
            look_up_url(reference)
        assert caught.value.fix
        assert "canary" not in str(caught.value)
