"""The glossary is one page of few words, and says what others call them; README and gentle.md use that word, too."""

from __future__ import annotations

import re
from pathlib import Path

from chain.cli import cli

ROOT = Path(__file__).parents[2]
GLOSSARY = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
TERMS = re.findall(r"^\| (\w+) \| (.+) \|$", GLOSSARY, re.MULTILINE)[1:]
OTHERS_SAY = {"slice": "chunk", "axis": "split column", "grace": "allowed lateness", "pacing": "throttling"}
MOST_TERMS = 15


def test_the_glossary_explains_each_of_few_terms_once() -> None:
    names = [name for name, _ in TERMS]
    assert {"day", "window", "export", "shard", "part", "run", "fence", "lease", "ledger", "receipt", "seal"} < set(
        names
    )
    assert len(names) == len(set(names)) <= MOST_TERMS


def test_the_glossary_says_what_others_call_a_term() -> None:
    meanings = dict(TERMS)
    assert not [term for term, word in OTHERS_SAY.items() if word not in meanings[term]]


def test_throttling_is_found_where_people_look_for_it() -> None:
    for name in ("README.md", "docs/gentle.md"):
        assert "throttling" in (ROOT / name).read_text(encoding="utf-8").casefold(), name


def test_the_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"penstock ([a-z-]+)", readme)) | set(re.findall(r"`([a-z-]+)`", readme))
    assert set(cli.commands) <= shown
