"""Business days that break what is built for days of 24 hours in Europe.

Past ones where a government may change its mind: the system's zones and those of PyPI's `tzdata` differ in age.
"""

from __future__ import annotations

from datetime import date

from tests.acceptance.oracle import BusinessDay

DAYS: dict[str, BusinessDay] = {
    "plain": BusinessDay(date(2026, 5, 5), "UTC"),
    "23_hours": BusinessDay(date(2026, 3, 29), "Europe/Berlin"),
    "25_hours": BusinessDay(date(2026, 10, 25), "Europe/Berlin"),
    "no_midnight": BusinessDay(date(2024, 4, 26), "Africa/Cairo"),
    "no_midnight_before": BusinessDay(date(2018, 11, 3), "America/Sao_Paulo"),
    "two_midnights": BusinessDay(date(2024, 11, 3), "America/Havana"),
    "half_hour_change": BusinessDay(date(2024, 4, 7), "Australia/Lord_Howe"),
    "plus_14": BusinessDay(date(2026, 1, 1), "Pacific/Kiritimati"),
    "plus_0545": BusinessDay(date(2024, 2, 29), "Asia/Kathmandu"),
    "after_a_skipped_day": BusinessDay(date(2011, 12, 31), "Pacific/Apia"),
}
