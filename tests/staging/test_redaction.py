"""Passwords of revealed URLs are hidden wherever they stand, in each way that libraries write them."""

from __future__ import annotations

import sys
import threading
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from staging import redaction
from staging.config.secret import SecretUrl
from staging.errors import ExitCode, InputError, IntegrityError
from staging.process.entry import end_process
from staging.redaction import redact, remember_secrets_of

CANARY = "kanari@pass:wo/rd%41'\"\\ ü"
URL = f"postgresql+psycopg://shop:{quote(CANARY, safe='')}@host:5432/db"


@pytest.fixture(autouse=True)
def _forget_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_patterns", {})


@pytest.mark.parametrize(
    "written",
    [
        CANARY,
        quote(CANARY, safe=""),
        quote(CANARY),
        quote_plus(CANARY),
        quote(CANARY, safe="").lower().replace("kanari", "kanari"),
        repr(CANARY),
        repr({"password": CANARY}),
        f"could not connect with {URL}: refused",
        f"PWD={CANARY};SERVER=x",
        f"user:{CANARY}@host",
    ],
)
def test_a_revealed_password_is_hidden_however_it_is_written(written: str) -> None:
    assert SecretUrl("env:X", lambda _: URL).reveal() == URL
    shown = redact(f"before {written} after")
    assert "kanari" not in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


def test_a_password_that_was_not_encoded_is_hidden_whole() -> None:
    remember_secrets_of("mysql+pymysql://shop:raw@canary:with/sla?sh#es@host/db")
    for written in ("raw@canary:with/sla?sh#es", quote("raw@canary:with/sla?sh#es", safe="")):
        assert redact(f"x {written} y") == "x … y"


@pytest.mark.parametrize("name", ["password", "passwd", "sslpassword", "access_token"])
def test_a_password_among_the_parameters_of_a_url_is_hidden(name: str) -> None:
    remember_secrets_of(f"postgresql://host/db?user=x&{name}=param%40canary-{name}&application_name=shop")
    assert redact(f"got param@canary-{name} and param%40canary-{name} of shop") == "got … and … of shop"


def test_urls_that_nobody_revealed_are_hidden_by_their_shape() -> None:
    assert redact("see mysql://me:never-seen@host/db now") == "see mysql://me:…@host/db now"
    assert redact("see gs://bucket/a:b and https://host/x@y") == "see gs://bucket/a:b and https://host/x@y"


def test_a_short_plain_password_makes_no_holes_in_other_words() -> None:
    remember_secrets_of("postgresql://post:gres@host/db")
    assert redact("postgres said: gres") == "postgres said: …"


FRAME = "\ue000"
"""A sign of no password, so that it is never hidden itself."""


@given(st.text(st.characters(codec="utf-8", exclude_characters=FRAME), min_size=1, max_size=30))
@example("<")
@example(" ")
@example("…")
@settings(deadline=None)
def test_any_password_is_hidden(password: str) -> None:
    redaction._patterns.clear()  # what an earlier example revealed would hide parts of this one's text
    remember_secrets_of(f"postgresql://user:{quote(password, safe='')}@host/db")
    for written in (password, quote(password, safe="")):
        assert redact(f"{FRAME}{written}{FRAME}") == f"{FRAME}…{FRAME}"


def test_a_url_without_a_password_hides_nothing() -> None:
    for url in ("sqlite:////tmp/shop.db", "postgresql://user@host/db", "postgresql://host:5432/db", "", "env:X"):
        remember_secrets_of(url)
    assert redact("shop.db user host 5432 db env:X") == "shop.db user host 5432 db env:X"


def test_a_secret_url_shows_nothing_of_itself() -> None:
    secret = SecretUrl("postgresql://u:canary-in-file@h/d", lambda reference: reference)
    for shown in (repr(secret), str(secret), f"{secret}", repr({"url": secret}), repr([secret])):
        assert "canary" not in shown
    assert redact("canary-in-file") == "…"


# --- how a process ends ---------------------------------------------------------------------------------------------


def raising(error: BaseException) -> int:
    def run() -> None:
        raise error

    return end_process(run)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("what", why="because", fix="do"), ExitCode.INPUT),
        (IntegrityError("what", why="because", fix="do"), ExitCode.INTEGRITY),
        (KeyboardInterrupt(), ExitCode.UNAVAILABLE),
        (MemoryError(), ExitCode.UNAVAILABLE),
        (OSError(28, "No space left on device"), ExitCode.UNAVAILABLE),
        (OSError(5, "Input/output error"), ExitCode.BUG),
        (ValueError("x"), ExitCode.BUG),
    ],
)
def test_an_error_ends_with_its_code_and_says_what_to_do(
    error: BaseException, code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raising(error) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "error: " in shown.err
    assert ("Traceback" in shown.err) == (code == ExitCode.BUG)


def test_no_traceback_shows_a_revealed_password(capsys: pytest.CaptureFixture[str]) -> None:
    remember_secrets_of(URL)
    assert raising(RuntimeError(f"driver said {CANARY!r} and {URL}")) == ExitCode.BUG
    shown = capsys.readouterr().err
    assert "driver said" in shown
    assert "kanari" not in shown


def test_no_other_threads_traceback_shows_a_revealed_password(capsys: pytest.CaptureFixture[str]) -> None:
    remember_secrets_of(URL)

    def fail() -> None:
        raise RuntimeError(f"driver said {CANARY}")

    def run() -> None:
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()

    hooks = threading.excepthook, sys.unraisablehook
    assert end_process(run) == ExitCode.DONE
    assert (threading.excepthook, sys.unraisablehook) == hooks
    shown = capsys.readouterr().err
    assert "driver said" in shown
    assert "kanari" not in shown
