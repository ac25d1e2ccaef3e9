"""Tutorial and how-tos: every command is run, in order, and prints what the page shows."""

from __future__ import annotations

import pytest

from tests.docs.reader import DOCS, Reader, commands_of, missing

pytestmark = pytest.mark.integration

HOW_TOS = sorted(path.name for path in (DOCS / "howto").glob("*.md"))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """A reader who has followed the tutorial, in whose folder the how-tos go on."""
    reader = Reader(tmp_path_factory.mktemp("reader"))
    assert reader.follow(DOCS / "tutorial.md") > 10
    return reader


@pytest.mark.parametrize("page", HOW_TOS)
def test_every_command_of_the_tutorial_and_of_a_how_to_does_what_the_page_shows(page: str, reader: Reader) -> None:
    assert reader.follow(DOCS / "howto" / page) > 0


def test_a_line_that_was_not_printed_is_seen() -> None:
    assert missing(["a … c", "b"], "a and c\nbb\n") == ["b"]
    assert commands_of("$ x\nline\n…\n$ y\n") == [("x", ["line"]), ("y", [])]
