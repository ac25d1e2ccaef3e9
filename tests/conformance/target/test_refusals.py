"""What every target must refuse by what it knows of the day: message, exit code, nothing touched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from staging.errors import HeldError, InputError, IntegrityError
from tests.conformance.target.conftest import TargetUnderTest
from tests.loader.runs import LoaderRun, Make, revenue
from tests.loader.target_fixtures import expected
from tests.shop.hand_made_export import flip_bits

pytestmark = pytest.mark.integration


def loaded(target: TargetUnderTest, run: LoaderRun) -> LoaderRun:
    """The day's first load."""
    target.init(run.write())
    target.load(run)
    return run


def test_a_run_with_a_lower_fence_is_late(target: TargetUnderTest, make: Make) -> None:
    loaded(target, make(5))
    target.refuses(make(4, rows=[]).write(), HeldError, "run-0005", "fence is 5", "this run's is 4")


def test_another_pipeline_may_not_take_the_day(target: TargetUnderTest, make: Make) -> None:
    loaded(target, make())
    target.refuses(make(2, pipeline="other").write(), InputError, "belongs to the pipeline daily_revenue")


def test_another_head_is_refused_until_it_is_adopted_by_name(target: TargetUnderTest, make: Make) -> None:
    loaded(target, make(9))
    other = make(1, head_id="ab" * 16, rows=revenue(range(5))).write()  # a new bucket begins with fence 1
    target.refuses(other, InputError, "5f5f", f"--adopt-head {'ab' * 16}")
    target.refuses(other, InputError, "another head", adopt_head="5f" * 16)
    target.load(other, adopt_head="ab" * 16)
    assert target.rows() == expected(other)
    target.refuses(make(10).write(), InputError, "another head")  # the old bucket's runs are out now


def test_an_older_export_needs_to_be_allowed(target: TargetUnderTest, make: Make) -> None:
    run = loaded(target, make())
    older = make(2, rows=revenue(range(3)), as_of=run.as_of - timedelta(microseconds=1)).write()
    target.refuses(older, HeldError, "newer export", "--allow-older")
    target.load(older, allow_older=True)
    assert target.rows() == expected(older)


def test_another_window_for_the_same_day_is_refused(target: TargetUnderTest, make: Make) -> None:
    loaded(target, make())
    utc = (datetime(2026, 11, 14, tzinfo=UTC), datetime(2026, 11, 15, tzinfo=UTC))
    target.refuses(make(2, window=utc).write(), InputError, "another window", "time zone")


def test_the_same_run_with_other_content_is_an_integrity_error(target: TargetUnderTest, make: Make) -> None:
    loaded(target, make())
    changed = make(rows=revenue(range(30), cents=lambda user: user)).write()
    target.refuses(changed, IntegrityError, "from other content", "digest")


def test_two_runs_with_one_fence_are_an_integrity_error(target: TargetUnderTest, make: Make) -> None:
    loaded(target, make())
    target.refuses(make(2, fence=1).write(), IntegrityError, "this run or fence")


def test_a_part_that_is_not_what_its_receipt_says_is_refused(target: TargetUnderTest, make: Make) -> None:
    target.init(run := make().write())
    path = run.path("part-00001.parquet")
    path.write_bytes(next(flip_bits(path.read_bytes(), 1)))
    target.refuses(run, IntegrityError, "part-00001.parquet")
    assert target.rows() == []


def test_a_part_that_lies_with_a_matching_digest_is_still_caught(target: TargetUnderTest, make: Make) -> None:
    """The processor itself wrote a cent too much: digests agree, the sums of rows and receipt do not."""
    loaded(target, make())
    run = make(2)
    other = make(2, rows=[{**row, "revenue": row["revenue"] + (row["user_id"] == 4)} for row in run.rows])
    run.parts[1] = other.parts[1]
    run.receipts[1]["part"] = other.receipts[1]["part"]
    target.refuses(run.write(), IntegrityError, "part 1: revenue adds up to")
