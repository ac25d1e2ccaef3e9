"""Brings the hours of one day to done, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chain.asked import Asked
from chain.range.backfill import DaysAtOnce
from chain.range.bring_to_done import BackfillRequest, bring_to_done
from staging.errors import UsageError

_IN_ORDER = DaysAtOnce(1, keep_going=False)


def bring_hours(
    config: Path,
    day: str,
    overrides: Sequence[str],
    logs: Path | None,
    asked: Asked,
    *,
    wait: bool,
    as_json: bool,
    reprocess: bool = False,
    fresh_export: bool = False,
) -> None:
    """Run each hour of the day that has begun.

    As `penstock backfill` does it. Raises where not all are done. UsageError for what is of one hour alone.
    """
    if wait or asked.permitted.raise_fence is not None:
        raise UsageError("--wait and --raise-fence are for one hour.", why="A day has many.", fix="Give --hour.")
    request = BackfillRequest(
        config, day, day, overrides, logs, _IN_ORDER, reprocess, anew=True, asked=asked, fresh_export=fresh_export
    )
    bring_to_done(request, as_json=as_json)
