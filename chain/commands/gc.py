"""What `penstock gc` does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from chain.cli_options import environment
from chain.gc.bundles import Bundle, list_days
from chain.gc.collect import collect_garbage
from chain.gc.plan import DayGarbage, plan_garbage
from chain.views.figures import format_bytes, plural
from staging.config.file import load_pipeline
from staging.open_store import open_store
from staging.process.cancel import Cancel, cancel_on_signals
from staging.store import Store


def gc_command(  # noqa: D103 - see `chain.commands`
    config: Path, overrides: Sequence[str], *, older_than_days: int, delete: bool, as_json: bool
) -> None:
    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    found: list[DayGarbage] = []
    with cancel_on_signals() as cancel, open_store(pipeline.staging.url) as store:
        now = store.now()
        show = _Lines(now, quiet=as_json)
        for garbage in clean_up(store, pipeline.name, cancel, timedelta(days=older_than_days), now, delete=delete):
            show(garbage)
            found.append(garbage)
    if as_json:
        click.echo(json.dumps(_as_json(found, older_than_days, deleted=delete), ensure_ascii=False))
    else:
        click.echo(format_total(found, pipeline.name, older_than_days, deleted=delete))


def clean_up(
    store: Store, pipeline: str, cancel: Cancel, older_than: timedelta, now: datetime, *, delete: bool
) -> Iterator[DayGarbage]:
    """Give what of each day may go; with `delete` after it is gone."""
    for day in list_days(store, pipeline):
        cancel.check()
        garbage = plan_garbage(store, day, older_than=older_than, now=now)
        if garbage.bundles and delete and not collect_garbage(store, garbage, cancel):
            garbage = DayGarbage(garbage.names, kept_whole="somebody began to work on it meanwhile")
        yield garbage


class _Lines:
    """A line for each export and run on stdout, as they are found or deleted; what is kept whole on stderr."""

    def __init__(self, now: datetime, *, quiet: bool) -> None:
        self._now = now
        self._quiet = quiet

    def __call__(self, garbage: DayGarbage) -> None:
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
    """Return what it comes to, and what to do for it to happen."""
    bundles = [bundle for garbage in found for bundle in garbage.bundles]
    if not bundles:
        return f"{pipeline}: nothing older than {plural(older_than_days, 'day')} that no day needs."
    kinds: list[tuple[str, Callable[[Bundle], bool]]] = [
        ("export", lambda bundle: bundle.kind == "export"),
        ("run", lambda bundle: bundle.kind == "run"),
    ]
    counted = " and ".join(plural(sum(map(of, bundles)), kind) for kind, of in kinds)
    size = format_bytes(sum(bundle.size_bytes for bundle in bundles))
    objects = plural(sum(bundle.objects for bundle in bundles), "object")
    told = f"{pipeline}: {counted} that no day needs, {objects}, {size}"
    return f"{told}: deleted." if deleted else f"{told}.\nNothing was deleted: --delete does."


def _as_json(found: Sequence[DayGarbage], older_than_days: int, *, deleted: bool) -> dict[str, Any]:
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
