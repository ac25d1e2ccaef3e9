"""Shows garbage: a line for each export and run.

And the total.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import click

from chain.gc.bundles import Bundle
from chain.gc.plan import DayGarbage
from chain.views.figures import format_bytes, plural


class Lines:
    """Prints a line for each export and run.

    On stdout, as they are found or deleted; what is kept whole on stderr.
    """

    def __init__(self, now: datetime, *, quiet: bool) -> None:
        self._now = now
        self._quiet = quiet

    def __call__(self, garbage: DayGarbage) -> None:
        """Print what of a day may go.

        And why the rest is kept.
        """
        if garbage.kept_whole:
            click.echo(f"{garbage.names.day}  kept: {garbage.kept_whole}", err=True)
        for bundle in garbage.bundles if not self._quiet else ():
            click.echo(format_bundle(garbage, bundle, self._now))


def format_bundle(garbage: DayGarbage, bundle: Bundle, now: datetime) -> str:
    """`2026-10-25  export=20261125T080836Z-2532bd79382d   9 objects  901.8 kB  31 days`: 80 columns at most."""
    name = f"{bundle.kind}={bundle.id}"
    age_days = (now - bundle.updated_at).days
    return (
        f"{garbage.names.day}  {name:<36}  {plural(bundle.objects, 'object'):>13}  "
        f"{format_bytes(bundle.size_bytes):>8}  {f'{age_days} d':>5}"
    )


def format_total(found: Sequence[DayGarbage], pipeline: str, older_than_days: int, *, deleted: bool) -> str:
    """Return the total, and how to delete it."""
    bundles = [bundle for garbage in found for bundle in garbage.bundles]
    if not bundles:
        return f"{pipeline}: nothing older than {plural(older_than_days, 'day')} that no day needs."
    kinds: list[tuple[str, Callable[[Bundle], bool]]] = [
        ("export", lambda bundle: bundle.kind == "export"),
        ("run", lambda bundle: bundle.kind == "run"),
    ]
    counted = " and ".join(plural(sum(map(of, bundles)), kind) for kind, of in kinds)
    if in_target := sum(bundle.kind == "files" for bundle in bundles):
        counted += f" and the files of {plural(in_target, 'load')}"
    size = format_bytes(sum(bundle.size_bytes for bundle in bundles))
    objects = plural(sum(bundle.objects for bundle in bundles), "object")
    told = f"{pipeline}: {counted} that no day needs, {objects}, {size}"
    return f"{told}: deleted." if deleted else f"{told}.\nNothing was deleted: --delete does."


def garbage_json(found: Sequence[DayGarbage], older_than_days: int, *, deleted: bool) -> dict[str, Any]:
    """Return the object that `--json` prints."""
    entries = [(garbage, bundle) for garbage in found for bundle in garbage.bundles]
    return {
        "deleted": deleted,
        "older_than_days": older_than_days,
        "objects": sum(bundle.objects for _, bundle in entries),
        "size_bytes": sum(bundle.size_bytes for _, bundle in entries),
        "garbage": [
            {
                "day": garbage.names.day.isoformat(),
                "kind": bundle.kind,
                "id": bundle.id,
                "whole": bundle.whole,
                "objects": bundle.objects,
                "size_bytes": bundle.size_bytes,
                "updated_at": bundle.updated_at.isoformat(),
            }
            for garbage, bundle in entries
        ],
        "kept": [
            {"day": garbage.names.day.isoformat(), "why": garbage.kept_whole} for garbage in found if garbage.kept_whole
        ],
    }
