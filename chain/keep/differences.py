"""Finds the keys that differ in days that were read again.

And by how much, from the stored exports: the source is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from chain.day.report import Report
from chain.diff.exports import KeyDifferences, diff_tables
from chain.diff.plan import Comparison, plan_comparisons
from staging.documents.exports import find_export
from staging.errors import InputError, InterruptedRunError, PenstockError
from staging.names import DayNames
from staging.process.cancel import Cancel
from staging.redaction import redact
from staging.store import Store

_LISTED = 10


@dataclass(frozen=True, slots=True)
class Difference:
    """A day's new export, compared with the one before it.

    Table by table, the leading one first.
    """

    compared: Sequence[Comparison]
    found: Sequence[KeyDifferences]


def find_differences(
    store: Store, reports: Iterable[Report], cancel: Cancel, say: Callable[[str], None]
) -> dict[date, Difference]:
    """Return how each day that was read again differs.

    A day whose exports can't be compared is left out, and `say` hears why. So are all others once `cancel` is set: the
    days are done, and `penstock diff` finds it later.
    """
    found = {}
    for report in reports:
        if report.since_export_before is None or cancel.is_set():
            continue
        try:
            found[report.day] = _find(store, report, report.since_export_before["export_id"], cancel)
        except InterruptedRunError:
            break
        except PenstockError as error:
            say(f"{report.day}: which keys differ is not known: {redact(error.what)}")
    return found


def _find(store: Store, report: Report, before: str, cancel: Cancel) -> Difference:
    names = DayNames(report.pipeline, report.day)
    exports = [find_export(store, names, export_id) for export_id in (before, report.export_id)]
    if exports[0] is None or exports[1] is None:
        raise InputError(f"The export {before} is not there any more.")
    compared = plan_comparisons(exports[0].manifest, exports[1].manifest)
    with TemporaryDirectory(prefix="penstock-keep-") as scratch:
        return Difference(compared, diff_tables(store, compared, limit=_LISTED, scratch=Path(scratch), cancel=cancel))
