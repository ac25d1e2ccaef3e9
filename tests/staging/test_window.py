"""The business day as two instants, against a walk over the zone's own clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from staging.errors import InputError
from staging.window import Calendar, check_not_future, load_zone, parse_day, plan_window

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Havana",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "America/St_Johns",
)


def first_second_of(day: date, zone: ZoneInfo) -> datetime:
    """Walk in UTC, quarter by quarter and then second by second, to the first instant whose local date is `day`."""
    instant = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=16)
    while instant.astimezone(zone).date() < day:
        instant += timedelta(minutes=15)
    while (instant - timedelta(seconds=1)).astimezone(zone).date() >= day:
        instant -= timedelta(seconds=1)
    return instant


@pytest.mark.parametrize("name", ZONES)
def test_a_day_runs_from_its_first_instant_to_the_next_days(name: str) -> None:
    zone = load_zone(name)
    for number in range(0, 3000, 7):
        day = date(2017, 1, 1) + timedelta(days=number)
        window = plan_window(day, zone)
        assert (window.start, window.end) == (
            first_second_of(day, zone),
            first_second_of(day + timedelta(days=1), zone),
        )


@pytest.mark.parametrize(
    ("name", "text", "start", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00+00:00", 23),
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00+00:00", 25),
        ("Pacific/Kiritimati", "2026-06-01", "2026-05-31T10:00:00+00:00", 24),
        ("Asia/Kathmandu", "2026-06-01", "2026-05-31T18:15:00+00:00", 24),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00+00:00", 24.5),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00+00:00", 23),  # 00:00 does not exist
        ("Africa/Cairo", "2024-04-26", "2024-04-25T22:00:00+00:00", 23),  # nor here
        ("Asia/Beirut", "2024-03-31", "2024-03-30T22:00:00+00:00", 23),  # nor here
        ("America/Toronto", "1919-03-31", "1919-03-31T04:30:00+00:00", 23.5),  # 23:30 became 00:30
        ("America/Havana", "2024-11-03", "2024-11-03T04:00:00+00:00", 25),  # 00:00 exists twice
    ],
)
def test_days_of_odd_length_known_from_the_almanac(name: str, text: str, start: str, hours: float) -> None:
    window = plan_window(parse_day(text), load_zone(name))
    assert (window.start.isoformat(), window.hours()) == (start, hours)


def test_a_day_that_the_zone_jumped_over_is_refused() -> None:
    with pytest.raises(InputError, match="2011-12-30 does not exist in Pacific/Apia"):
        plan_window(date(2011, 12, 30), load_zone("Pacific/Apia"))


@pytest.mark.parametrize(
    "text", ["2026-02-30", "", "20261114", "2026-W46-6", "2026-1-4", "2026-11-14T00:00", "٢٠٢٦-11-14"]
)
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a day"):
        parse_day(text)


@pytest.mark.parametrize(
    "text",
    [
        *("9999-12-31", "0001-01-01", "0999-12-31", "month 9999-12", "month 0001-01"),
        *("week 9999-W01", "week 9999-W52", "week 0001-W01"),
    ],
)
def test_what_has_no_day_before_or_behind_it_is_refused(text: str) -> None:
    now = datetime(2026, 11, 14, tzinfo=UTC)
    with pytest.raises(InputError, match="out of reach"):
        Calendar(load_zone("Europe/Berlin"), now, GRACE_SECONDS).read_day(text)


@pytest.mark.parametrize("text", ["1000-01-01", "9998-12-31"])
@pytest.mark.parametrize("name", ["Pacific/Kiritimati", "Etc/GMT+12"])
def test_the_first_and_the_last_day_in_reach_have_a_window(text: str, name: str) -> None:
    assert plan_window(parse_day(text), load_zone(name)).hours() == 24


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../../etc/passwd", "Europe", "\0"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="There is no time zone"):
        load_zone(name)


def test_a_day_has_begun_or_not_by_the_clock_of_its_own_zone() -> None:
    now = datetime(2026, 11, 14, 10, 30, tzinfo=UTC)
    check_not_future(date(2026, 11, 15), load_zone("Pacific/Kiritimati"), now)
    with pytest.raises(InputError, match="in the future"):
        check_not_future(date(2026, 11, 15), load_zone("Europe/Berlin"), now)


GRACE_SECONDS = 900


@pytest.mark.parametrize("name", ZONES)
def test_yesterday_is_always_over_with_its_grace_and_the_day_after_it_never_is(name: str) -> None:
    zone = load_zone(name)
    for minutes in range(0, 366 * 24 * 60, 397):  # through every change of clocks of a year
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
        calendar = Calendar(zone, now, GRACE_SECONDS)
        end = plan_window(calendar.read_day("yesterday"), zone).end
        next_end = plan_window(calendar.read_day("today"), zone).end
        assert end + timedelta(seconds=GRACE_SECONDS) <= now < next_end + timedelta(seconds=GRACE_SECONDS)


def test_relative_days_count_back_in_the_zone_of_the_source() -> None:
    now = datetime(2026, 3, 1, 0, 20, tzinfo=UTC)
    expected = {"today": date(2026, 3, 1), "yesterday": date(2026, 2, 28), "today-2": date(2026, 2, 27)}
    expected |= {"today-0": date(2026, 3, 1), "today-60": date(2025, 12, 31), "2020-02-29": date(2020, 2, 29)}
    calendar = Calendar(load_zone("UTC"), now, GRACE_SECONDS)
    assert {text: calendar.read_day(text) for text in expected} == expected
    assert Calendar(load_zone("America/New_York"), now, GRACE_SECONDS).read_day("yesterday") == date(2026, 2, 27)
    assert Calendar(load_zone("Pacific/Kiritimati"), now, GRACE_SECONDS).read_day("yesterday") == date(2026, 2, 28)


def test_until_the_grace_is_over_yesterday_is_the_day_before() -> None:
    zone, over = load_zone("Europe/Berlin"), datetime(2026, 11, 13, 23, 15, tzinfo=UTC)
    assert Calendar(zone, over - timedelta(seconds=1), GRACE_SECONDS).read_day("yesterday") == date(2026, 11, 12)
    assert Calendar(zone, over, GRACE_SECONDS).read_day("yesterday") == date(2026, 11, 13)


@pytest.mark.parametrize(
    "text",
    [
        "Yesterday",
        "tomorrow",
        "today+1",
        "today-",
        "today-02",
        "today--1",
        "today - 2",
        "yesterday-1",
        " today",
        "today-٢",
        "today-100000",
        "today\n",
    ],
)
def test_what_is_no_relative_day_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a day"):
        Calendar(load_zone("UTC"), datetime(2026, 11, 14, tzinfo=UTC), GRACE_SECONDS).read_day(text)
