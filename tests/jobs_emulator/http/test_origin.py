"""Who may speak to the emulator."""

from __future__ import annotations

import pytest

from jobs_emulator.http.origin import foreign_host, foreign_origin


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost:8123", "localhost", "[::1]:8123", "LOCALHOST:1"])
def test_loopback_names_are_this_machine(host: str) -> None:
    assert not foreign_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8123",
        "10.0.0.1",
        "127.0.0.1@evil",
        "[",
        "0.0.0.0:8123",
    ],
)
def test_any_other_name_is_foreign(host: str) -> None:
    assert foreign_host(host)


def test_only_a_page_served_here_may_call() -> None:
    assert not foreign_origin("http://127.0.0.1:8123", "127.0.0.1:8123")
    for origin in ("null", "https://evil.example", "http://127.0.0.1:3000", "http://localhost:8123", ""):
        assert foreign_origin(origin, "127.0.0.1:8123")
