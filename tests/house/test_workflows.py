"""What a forge runs is what everybody runs, and nobody can exchange it afterwards."""

from __future__ import annotations

import re
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
