"""Which seeds a long run takes: all of a test's own, or those that it is told, so that it goes on where it stopped."""

from __future__ import annotations

from tests.guards import ENVIRONMENT_AT_START


def seeds_of(all_of_them: range) -> range:
    """Return the seeds to run.

    `PENSTOCK_TEST_SEEDS=10500:11000` names some of them; a long run prints how far it came.
    """
    told = ENVIRONMENT_AT_START.get("PENSTOCK_TEST_SEEDS")
    if not told:
        return all_of_them
    first, _, end = told.partition(":")
    return range(max(int(first), all_of_them.start), min(int(end), all_of_them.stop))
