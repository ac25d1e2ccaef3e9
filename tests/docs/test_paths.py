"""The documents lead to files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/*.md", "docs/decisions/*.md", "jobs_emulator/*.md", "pipelines/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"  # what was said of a version stays said
)
_SPANS = re.compile(r"`([^`\n]+)`")
_FILE = re.compile(r"[\w.\-/]*\w\.(?:py|md|toml|svg|Dockerfile)|\w[\w.\-/]*/")
_LINKS = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_ROOMS = ("staging", "databases", "exporter", "processor", "loader", "chain", "jobs_emulator", "tests", "bench", "docs")


def spelled_out(word: str) -> list[str]:
    """`a/{b,c}.py` as the two paths that it stands for."""
    if not (braces := re.search(r"\{([^{}]+)\}", word)):
        return [word]
    return [word[: braces.start()] + each + word[braces.end() :] for each in braces[1].split(",")]


def is_there(named: str, beside: Path) -> bool:
    """Whether a path leads to something, from the top or from the document; one without a folder: to any module."""
    if "/" not in named:
        return any(next((ROOT / room).rglob(named), None) for room in _ROOMS)
    return (ROOT / named).exists() or (ROOT / beside.parent / named).exists()


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_link_leads_somewhere(document: Path) -> None:
    text = (ROOT / document).read_text("utf-8")
    links = [link for link in _LINKS.findall(text) if not re.match(r"[a-z]+:", link)]
    assert [link for link in links if not (ROOT / document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_path_of_ours_that_is_named_is_there(document: Path) -> None:
    text = (ROOT / document).read_text("utf-8")
    spans = [word for span in _SPANS.findall(text) for word in span.split() if "NAME" not in word]
    words = [word for span in spans for word in spelled_out(span)]
    modules = [word for word in words if re.fullmatch(r"[a-z_]+\.py", word) and document.parts[0] != "pipelines"]
    ours = [word for word in words if _FILE.fullmatch(word) and "/" in word and word.split("/")[0] in _ROOMS] + modules
    assert [word for word in ours if not is_there(word, document)] == []
