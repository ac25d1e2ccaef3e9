"""The table fault x step x database, filled by the tests that carry `@pytest.mark.fault`.

`python -m tests.faults.table` collects those tests, as pytest does, and writes docs/faults.md; with `--check` it only
says whether the page is as it should be. A test's databases are those that its mark names, else those of its parameters
and fixtures.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "docs" / "faults.md"
STEPS = ("export", "process", "load", "chain")
DATABASES = ("sqlite", "postgres", "mariadb", "mysql")
FAULTS = {
    "killed": "SIGKILL at random moments",
    "frozen": "a process that is stopped, and wakes up when others have gone on",
    "raced": "two at once",
    "cut": "a connection that breaks",
    "lost reply": "done, and nobody heard of it",
    "server down": "a server that is restarted or crashes",
    "locked": "a lock that is held, or a deadlock",
    "written": "others write or alter while it is read",
    "storage": "requests to the bucket that fail, are lost or damaged",
    "flipped": "a stored bit that is lost",
    "full disk": "no room",
}
NOTHING_TO_TRY = {
    ("cut", "export", "sqlite"): "a file has no line",
    ("cut", "load", "sqlite"): "a file has no line",
    ("lost reply", "load", "sqlite"): "a file has no line",
    ("server down", "export", "sqlite"): "a file has no server",
    ("server down", "load", "sqlite"): "a file has no server",
    ("frozen", "load", "sqlite"): "the file stays locked",
    ("cut", "process", "any"): "it knows no database",
    ("server down", "process", "any"): "it knows no database",
    ("locked", "process", "any"): "it knows no database",
}
_ANY = "any"
"""The processor knows no database, and a chain's guards lie in the bucket."""

Cell = tuple[str, str, str]


@dataclass
class Collector:
    """A plugin that notes which tests show which cells."""

    cells: dict[Cell, set[str]] = field(default_factory=lambda: defaultdict(set))
    nightly: set[str] = field(default_factory=set)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what was collected."""
        for item in session.items:
            name = item.nodeid.partition("[")[0]
            for mark in item.iter_markers("fault"):
                for cell in _cells(item, mark):
                    self.cells[cell].add(name)
            if item.get_closest_marker("nightly"):
                self.nightly.add(item.nodeid)


def _cells(item: pytest.Item, mark: pytest.Mark) -> Iterator[Cell]:
    (fault,) = mark.args
    steps = mark.kwargs["step"]
    assert fault in FAULTS, f"{item.nodeid}: {fault} is no fault that the table knows"
    for step in steps if isinstance(steps, tuple) else (steps,):
        assert step in STEPS, f"{item.nodeid}: {step} is no step"
        is_any = step in ("process", "chain")
        for database in (_ANY,) if is_any else _databases(item, mark):
            yield fault, step, database


def _databases(item: Any, mark: pytest.Mark) -> Sequence[str]:
    named = mark.kwargs.get("database")
    if named is not None:
        return named if isinstance(named, tuple) else (named,)
    values = getattr(getattr(item, "callspec", None), "params", {}).values()
    words = [*map(str, values), *item.fixturenames]
    found = [name for name in DATABASES if any(word == name or word.endswith(("_" + name,)) for word in words)]
    found += [name for name in DATABASES if any(word.startswith(f"{name}_") for word in words)]
    assert found, f"{item.nodeid}: its mark must name its database"
    return tuple(dict.fromkeys(found))


def collect() -> Collector:
    """Return what pytest collects from the files that have such marks; nothing is run."""
    found = sorted(path for path in (CHECKOUT / "tests").rglob("test_*.py") if "mark.fault(" in path.read_text("utf-8"))
    files = [str(path.relative_to(CHECKOUT)) for path in found]
    collector = Collector()
    code = pytest.main(
        ["--collect-only", "-qq", "--no-header", "-p", "no:cacheprovider", "-m", "nightly or not nightly", *files],
        plugins=[collector],
    )
    assert code == 0, f"pytest ends with {code}"
    return collector


def page_of(cells: dict[Cell, set[str]]) -> str:
    """Return the whole page."""
    lines = [
        "# Faults that the tests make",
        "Written by `python -m tests.faults.table` from the marks of the tests; a test says when it is stale. How",
        "often each was tried, and how it ended: [nightly.md](nightly.md).",
    ]
    empty = []
    for step in STEPS:
        columns = (_ANY,) if step in ("process", "chain") else DATABASES
        lines += [
            "",
            f"## {step.capitalize()}",
            f"| fault | {' | '.join(columns)} |",
            "|---" * (len(columns) + 1) + "|",
        ]
        for fault, what in FAULTS.items():
            shown = []
            for column in columns:
                tests = cells.get((fault, step, column), set())
                reason = NOTHING_TO_TRY.get((fault, step, column))
                assert not (tests and reason), f"{fault}, {step}, {column}: {reason}, and yet {tests}"
                count = f"{len(tests)} test{'s' if len(tests) > 1 else ''}" if tests else ""
                shown.append(reason or count)
                if not tests and not reason:
                    empty.append((fault, step, column))
            lines.append(f"| {fault}: {what} | {' | '.join(shown)} |")
    lines += ["", "## Empty", "No test makes these faults:"]
    for step in STEPS:
        of_step = [
            f"{fault} ({', '.join(c for f, s, c in empty if (f, s) == (fault, step))})"
            for fault in FAULTS
            if any((f, s) == (fault, step) for f, s, _ in empty)
        ]
        if of_step:
            lines.append(f"- {step}: {'; '.join(of_step)}")
    lines += ["", "## Which test shows what"]
    for fault in FAULTS:
        names: dict[str, set[str]] = defaultdict(set)
        for (a_fault, step, column), tests in cells.items():
            for test in tests if a_fault == fault else ():
                names[test].add(step if column == _ANY else f"{step} {column}")
        lines += [f"- {fault}", *(f"  - `{test}`: {', '.join(sorted(where))}" for test, where in sorted(names.items()))]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the page, or look whether it is as it should be."""
    wanted = page_of(collect().cells)
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.read_text(encoding="utf-8") == wanted else 3
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
