"""Hours of a zone against a walk over its own clock: none lost, none twice, none invented; and how they are spelled."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from staging.errors import InputError
from staging.hours.name import Hour, day_of, parse_hour
from staging.hours.read import read_hour
from staging.hours.zone import hour_around
from staging.names import DayNames, parse_name
from staging.window import Calendar, load_zone, parse_day, plan_window, windows_before, windows_of

STEP = timedelta(minutes=1)
BERLIN = load_zone("Europe/Berlin")
DAYS = {
    ("Europe/Berlin", date(2026, 3, 29)): 23,
    ("Europe/Berlin", date(2026, 10, 25)): 25,
    ("Europe/Berlin", date(2026, 11, 14)): 24,
    ("Asia/Kolkata", date(2026, 11, 14)): 24,
    ("Asia/Kathmandu", date(1986, 1, 1)): 24,  # its clocks went from 23:59 to 00:15
    ("Australia/Lord_Howe", date(2026, 10, 4)): 24,  # 23.5 hours: from 02:00 to 02:30
    ("Australia/Lord_Howe", date(2026, 4, 5)): 25,  # 24.5 hours: from 02:00 back to 01:30
    ("America/Sao_Paulo", date(2018, 11, 4)): 23,  # midnight does not exist
    ("America/St_Johns", date(2010, 11, 7)): 26,  # from 00:01 back to 23:01 of the day before
    ("America/Havana", date(2024, 11, 3)): 25,  # midnight exists twice
}


def walked(day: date, zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """Walk through the day's window by minutes: a new hour where date, hour or offset of the clock is another."""
    window = plan_window(day, zone)
    shown, starts, instant = None, [], window.start
    while instant < window.end:
        local = instant.astimezone(zone)
        if (now := (local.date(), local.hour, local.utcoffset())) != shown:
            starts.append(instant)
            shown = now
        instant += STEP
    return list(pairwise([*starts, window.end]))


@pytest.mark.parametrize(("zone", "day"), DAYS)
def test_the_hours_of_a_day_lie_end_to_end(zone: str, day: date) -> None:
    there = load_zone(zone)
    hours = windows_of(day, "hour", there)
    windows = [plan_window(hour, there, "hour") for hour in hours]
    assert [(window.start, window.end) for window in windows] == walked(day, there)
    assert len(set(hours)) == len({str(hour) for hour in hours}) == len(hours) == DAYS[zone, day]
    assert sorted(hours, reverse=True) == hours[::-1]


@pytest.mark.parametrize(("zone", "day"), DAYS)
def test_an_hours_name_says_which_it_is_wherever_it_goes(zone: str, day: date) -> None:
    there = load_zone(zone)
    for hour in windows_of(day, "hour", there):
        assert isinstance(hour, Hour)
        assert parse_day(str(hour)) == parse_hour(f"{hour}") == read_hour(hour.isoformat(), there) == hour
        assert copy.deepcopy(hour) == pickle.loads(pickle.dumps(hour)) == hour
        assert hour_around(hour.start + timedelta(seconds=59), there) == hour
        assert (parsed := parse_name(DayNames("sales", hour).head())) is not None
        assert parsed.day == hour
        assert day_of(hour) == date.fromisoformat(str(hour)[:10])


def test_windows_before_an_hour_go_back_through_a_change_of_clocks() -> None:
    before = windows_before(parse_hour("2026-10-25T03+01:00"), "hour", BERLIN)
    assert [str(next(before)) for _ in range(4)] == [
        "2026-10-25T02+01:00",
        "2026-10-25T02+02:00",
        "2026-10-25T01+02:00",
        "2026-10-25T00+02:00",
    ]


@pytest.mark.parametrize(
    ("zone", "text", "meant"),
    [
        ("Europe/Berlin", "2026-11-14T09", "2026-11-14T09+01:00"),
        ("Europe/Berlin", "2026-11-14T09:00", "2026-11-14T09+01:00"),
        ("Europe/Berlin", "2026-07-14T23", "2026-07-14T23+02:00"),
        ("Europe/Berlin", "2026-10-25T02+02:00", "2026-10-25T02+02:00"),
        ("Europe/Berlin", "2026-10-25T02+01:00", "2026-10-25T02+01:00"),
        ("UTC", "2026-11-14T09Z", "2026-11-14T09+00:00"),
        ("Asia/Kolkata", "2026-11-14T09", "2026-11-14T09+05:30"),
        ("Australia/Lord_Howe", "2026-10-04T02", "2026-10-04T02:30+11:00"),
        ("Australia/Lord_Howe", "2026-04-05T01:30", "2026-04-05T01:30+10:30"),
        ("America/St_Johns", "2010-11-06T23:01", "2010-11-06T23:01-03:30"),
    ],
)
def test_an_hour_is_named_shortly_where_one_alone_is_meant(zone: str, text: str, meant: str) -> None:
    assert str(read_hour(text, load_zone(zone))) == meant


@pytest.mark.parametrize(
    ("zone", "text", "what", "fix"),
    [
        ("Europe/Berlin", "2026-10-25T02", "is 2 hours in", "Write 2026-10-25T02+02:00 or 2026-10-25T02+01:00."),
        ("Europe/Berlin", "2026-03-29T02", "does not exist in", "Choose another hour."),
        ("Europe/Berlin", "2026-03-29T02+01:00", "does not exist in", "Choose another hour."),
        ("Europe/Berlin", "2026-11-14T09+02:00", "does not exist in", "Write 2026-11-14T09+01:00."),
        ("Europe/Berlin", "2026-11-14T09:30", "does not exist in", "Write 2026-11-14T09+01:00."),
        ("Australia/Lord_Howe", "2026-04-05T01", "is 2 hours in", "2026-04-05T01:30+10:30"),
        ("Pacific/Apia", "2011-12-30T12", "does not exist in", "Choose another hour."),
        ("Europe/Berlin", "2026-11-14", "is not an hour", "Write it as"),
        ("Europe/Berlin", "2026-11-14T24", "is not an hour", "Write it as"),
        ("Europe/Berlin", "2026-02-30T09", "is not an hour", "Write it as"),
        ("Europe/Berlin", "2026-11-14T9", "is not an hour", "Write it as"),
        ("Europe/Berlin", "2026-11-14T09+1", "is not an hour", "Write it as"),
        ("Europe/Berlin", "٢٠٢٦-11-14T09", "is not an hour", "Write it as"),
    ],
)
def test_an_hour_that_is_not_one_hour_of_the_zone_is_refused(zone: str, text: str, what: str, fix: str) -> None:
    with pytest.raises(InputError, match=what) as refused:
        read_hour(text, load_zone(zone))
    assert fix in refused.value.fix


@pytest.mark.parametrize("text", ["2026-11-14T09Z", "2026-11-14T09:00+01:00", "2026-11-14T09", "2026-11-14T09:00:00"])
def test_a_job_takes_an_hour_in_its_one_spelling_alone(text: str) -> None:
    with pytest.raises(InputError):
        parse_day(text)


def test_an_hour_of_another_zone_is_no_window() -> None:
    with pytest.raises(InputError, match="does not exist in Asia/Kolkata"):
        plan_window(parse_hour("2026-11-14T09+01:00"), load_zone("Asia/Kolkata"), "hour")


def test_a_day_is_no_hour_and_an_hour_no_day() -> None:
    hour = parse_hour("2026-11-14T00+01:00")
    with pytest.raises(InputError, match="is a day"):
        plan_window(date(2026, 11, 14), BERLIN, "hour")
    for span in ("day", "week", "month"):
        with pytest.raises(InputError, match="is an hour"):
            plan_window(hour, BERLIN, span)
    assert hour != date(2026, 11, 14)
    assert sorted([hour, date(2026, 11, 15), date(2026, 11, 14)]) == [date(2026, 11, 14), hour, date(2026, 11, 15)]


def test_the_last_hour_is_one_that_is_over_with_the_grace() -> None:
    def last(now: str) -> str:
        calendar = Calendar(BERLIN, datetime.fromisoformat(now).replace(tzinfo=UTC), grace_seconds=900)
        return str(calendar.read_day("hour last"))

    assert last("2026-10-25T01:14:59") == "2026-10-25T01+02:00"
    assert last("2026-10-25T01:15:00") == "2026-10-25T02+02:00"
    assert last("2026-10-25T02:15:00") == "2026-10-25T02+01:00"


def test_an_hour_has_no_neighbours_without_its_zone() -> None:
    wrongs: list[Callable[[Hour], object]]
    wrongs = [lambda hour: hour + STEP, lambda hour: hour - STEP, lambda hour: hour - hour]
    for wrong in wrongs:
        with pytest.raises(TypeError):
            wrong(parse_hour("2026-11-14T09+01:00"))
