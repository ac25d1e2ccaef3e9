"""What a forge runs is what everybody runs, and nobody can exchange it afterwards."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))


def test_each_action_is_pinned_by_its_commit() -> None:
    used = [line for path in WORKFLOWS for line in path.read_text("utf-8").splitlines() if "uses:" in line]
    assert used
    assert not [line for line in used if not re.search(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d", line)]


def test_a_workflow_may_only_read_and_runs_the_script_of_every_machine() -> None:
    for path in WORKFLOWS:
        text = path.read_text("utf-8")
        assert re.search(r"^permissions:\n  contents: read$", text, re.MULTILINE)
        assert "run: .ci/run" in text
    assert (CHECKOUT / ".ci" / "run").is_file()


def test_a_tag_makes_a_release_only_after_all_checks() -> None:
    text = (CHECKOUT / ".github" / "workflows" / "release.yml").read_text("utf-8")
    assert re.search(r"^  release:\n    needs: ci$", text, re.MULTILINE)
    assert text.count("contents: write") == 1


def notes_of(version: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(CHECKOUT / ".ci" / "release_notes.py"), version]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_notes_of_a_release_are_the_changelogs_section() -> None:
    version = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    changelog = (CHECKOUT / "CHANGELOG.md").read_text("utf-8")
    told = notes_of(version)
    assert told.returncode == 0, told.stderr
    _, _, after = changelog.partition(f"## {version} (")
    section = after.partition("\n")[2].partition("\n## ")[0]
    assert told.stdout.splitlines() == section.strip().splitlines()
    assert len(told.stdout.splitlines()) > 1


def test_a_version_that_is_not_this_one_has_no_notes() -> None:
    told = notes_of("99.0.0")
    assert (told.returncode, told.stdout) == (1, "")
    assert "not 99.0.0" in told.stderr
