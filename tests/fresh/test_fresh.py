"""Where there can be no bare Debian, `make fresh` says what is missing, and `make nightly` goes on."""

from __future__ import annotations

import pytest

from tests.fresh import __main__ as fresh
from tests.fresh.debian_root import NoRootError, check_that_it_can_be


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(NoRootError) as caught:
        check_that_it_can_be(user=lambda: 1000, which=lambda program: None)
    assert "the rights of root" in str(caught.value)
    assert "no debootstrap (apt-get install debootstrap)" in str(caught.value)


def test_nothing_is_missing_for_root_with_the_programs() -> None:
    check_that_it_can_be(user=lambda: 0, which=lambda program: f"/usr/bin/{program}")


@pytest.mark.parametrize(("arguments", "code"), [([], 10), (["--if-possible"], 0)])
def test_where_it_cannot_be_tried_the_end_says_so(
    arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PENSTOCK_INSTALL_SERVERS", "0")
    monkeypatch.setenv("PATH", "/nowhere")
    assert fresh.main(arguments) == code
    assert "not tried on a bare Debian: There is no " in capsys.readouterr().err
