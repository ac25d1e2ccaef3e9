"""How a verification looks: a check a line."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import asdict

from loader.verify.run import Verification


def format_verification(found: Verification, pipeline: str, *, style: Callable[..., str], columns: int) -> str:
    """Return the result, and a check a line.

    Wrapped to so many columns.
    """
    width = max((len(check.name) for check in found.checks), default=0)
    mark = {True: style("ok  ", fg="green"), False: style("FAIL", fg="red")}
    indent = " " * (2 + 4 + 2 + width + 2)
    wrapped = [
        textwrap.wrap(check.why, max(30, columns - len(indent)), break_on_hyphens=False) for check in found.checks
    ]
    lines = [
        f"  {mark[check.ok]}  {check.name.ljust(width)}  " + f"\n{indent}".join(why)
        for check, why in zip(found.checks, wrapped, strict=True)
    ]
    head = f"{pipeline} {found.day}: {'everything agrees' if found.ok else 'NOT AS IT SHOULD BE'}"
    if found.unfinished:
        lines.append(
            "  The day is unfinished: it was read before it was over. `penstock run` reads it again when it is."
        )
    return "\n".join([style(head, bold=True), *lines])


def verification_json(found: Verification) -> dict[str, object]:
    """Return the object that `--json` prints."""
    return asdict(found) | {"day": found.day.isoformat(), "ok": found.ok}
