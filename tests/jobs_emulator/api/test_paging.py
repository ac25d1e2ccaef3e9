"""Pages of a list, walked while the list changes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_emulator.api.paging import after, take_page
from jobs_emulator.errors import ApiError


def position(entry: int) -> list[int]:
    return [entry]


def ask(entries: list[int], size: int = 0, token: str = "", key: str = "list") -> tuple[list[int], str]:
    request: Any = SimpleNamespace(page_size=size, page_token=token)
    return take_page(request, key, after(sorted(entries), position), position)


@given(st.sets(st.integers(0, 10_000), max_size=200), st.integers(1, 50))
def test_the_pages_together_are_the_list(entries: set[int], size: int) -> None:
    found: list[int] = []
    token = ""
    while True:
        page, token = ask(list(entries), size, token)
        found += page
        assert len(page) == size or not token
        if not token:
            break
    assert found == sorted(entries)


def test_what_is_added_or_deleted_between_pages_moves_no_other_entry() -> None:
    page, token = ask([10, 20, 30, 40], 2)
    assert page == [10, 20]
    assert ask([5, 10, 25, 30, 40], 2, token)[0] == [25, 30]


def test_no_size_is_a_hundred_and_a_thousand_is_the_most() -> None:
    assert len(ask(list(range(5000)))[0]) == 100
    assert len(ask(list(range(5000)), 100_000)[0]) == 1000


@pytest.mark.parametrize("token", ["nonsense", "bm9uc2Vuc2U=", "W10=", "bnVsbA==", "ä"])
def test_a_token_of_no_list_is_refused(token: str) -> None:
    with pytest.raises(ApiError, match="page_token"):
        ask([1], 1, token)


def test_a_token_of_another_list_is_refused() -> None:
    _, token = ask([1, 2, 3], 1, key="jobs of a")
    with pytest.raises(ApiError, match="page_token"):
        ask([1, 2, 3], 1, token, key="jobs of b")


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(ApiError, match="page_size"):
        ask([1], -1)
