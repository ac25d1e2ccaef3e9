"""How a day is read, by its size, its end, and what can be sealed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from exporter.port.sliced_source import Closed
from exporter.port.source import Estimate
from exporter.read.choose import choose_read
from staging.config.pipeline import ExportConfig
from staging.errors import InputError, UnavailableError

NOW = datetime(2026, 11, 15, 3, tzinfo=UTC)
OVER = Closed(is_closed=True, database_time=NOW, how="the clock says so")
OPEN = Closed(is_closed=False, database_time=NOW, how="", why_not="a transaction is open")
CAN, VIEW = "", "it is a view"


@pytest.mark.parametrize(
    ("read", "rows", "why_no_slices", "closed", "mode"),
    [
        ("auto", 0, CAN, OVER, "snapshot"),
        ("auto", 125_000, CAN, OVER, "snapshot"),  # half a second
        ("auto", 126_000, CAN, OVER, "slices"),
        ("auto", 10**9, CAN, OVER, "slices"),
        ("auto", 126_000, CAN, OPEN, "snapshot"),
        ("auto", 2_500_000, CAN, OPEN, "snapshot"),  # 10 s of 20
        ("auto", 2_600_000, VIEW, None, "snapshot"),  # fits into the cap
        ("auto", 5_000_000, VIEW, None, "snapshot"),
        ("slices", 1, CAN, OVER, "slices"),
        ("snapshot", 10**9, CAN, None, "snapshot"),
        ("snapshot", 10**9, VIEW, OPEN, "snapshot"),
    ],
)
def test_the_way_to_read(read: str, rows: int, why_no_slices: str, closed: Closed | None, mode: str) -> None:
    choice = choose_read(
        ExportConfig.model_validate({"read": read}),
        gentle="primary",
        dialect="postgresql",
        estimate=Estimate(rows, "counted"),
        why_no_slices=why_no_slices,
        closed=closed,
    )
    assert choice.mode == mode
    assert choice.why


@pytest.mark.parametrize(("rows", "mode"), [(2_500_000, "snapshot"), (2_600_000, "slices")])
def test_what_nobody_feels_is_read_in_a_snapshot_of_half_the_cap(rows: int, mode: str) -> None:
    choice = choose_read(
        ExportConfig(),
        gentle="replica",
        dialect="postgresql",
        estimate=Estimate(rows, "counted"),
        why_no_slices=CAN,
        closed=OVER,
    )
    assert choice.mode == mode


@pytest.mark.parametrize(
    ("failed_seals", "rows", "mode"),
    [(1, 2_500_000, "slices"), (2, 2_500_000, "snapshot"), (2, 2_600_000, "slices")],
)
def test_a_day_that_is_written_to_is_read_in_a_snapshot_at_last(failed_seals: int, rows: int, mode: str) -> None:
    choice = choose_read(
        ExportConfig(),
        gentle="primary",
        dialect="postgresql",
        estimate=Estimate(rows, "counted"),
        why_no_slices=CAN,
        closed=OVER,
        failed_seals=failed_seals,
    )
    assert choice.mode == mode


def test_auto_says_its_figures() -> None:
    choice = choose_read(
        ExportConfig(),
        gentle="primary",
        dialect="postgresql",
        estimate=Estimate(4_000_000, "counted"),
        why_no_slices="",
        closed=OVER,
    )
    assert choice.why == (
        "auto: 4,000,000 rows counted, about 16 s in one statement, which a shop would feel; closed: the clock says so"
    )


def test_neither_way_is_an_error_with_the_seconds_and_the_choices() -> None:
    with pytest.raises(InputError) as caught:
        choose_read(
            ExportConfig(),
            gentle="primary",
            dialect="postgresql",
            estimate=Estimate(30_000_000, "expected by EXPLAIN"),
            why_no_slices=VIEW,
            closed=None,
        )
    assert "about 120 s" in caught.value.what
    assert VIEW in caught.value.why
    assert all(choice in caught.value.fix for choice in ("replica", "max_snapshot_seconds", "slices"))


@pytest.mark.parametrize("read", ["auto", "slices"])
def test_a_day_that_is_not_over_can_be_tried_again_later(read: str) -> None:
    with pytest.raises(UnavailableError) as caught:
        choose_read(
            ExportConfig.model_validate({"read": read}),
            gentle="primary",
            dialect="postgresql",
            estimate=Estimate(30_000_000, "counted"),
            why_no_slices="",
            closed=OPEN,
        )
    assert "transaction is open" in caught.value.why
    assert "max_snapshot_seconds` 240" in caught.value.fix


def test_slices_that_nothing_proves_are_refused() -> None:
    with pytest.raises(InputError, match="slices"):
        choose_read(
            ExportConfig.model_validate({"read": "slices"}),
            gentle="primary",
            dialect="postgresql",
            estimate=Estimate(1, "counted"),
            why_no_slices=VIEW,
            closed=None,
        )
