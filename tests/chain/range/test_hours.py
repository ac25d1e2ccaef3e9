"""Hours as windows, on every kind of database: the 23 and 25 of a changed day, each exported, processed and loaded."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from exporter.export_day import Surroundings, export_day
from exporter.open_source import open_source
from loader.doubt import DoubtedDayError
from loader.init import init_target
from loader.load_day import load_day
from loader.outcome import Outcome
from loader.verify.day import verify_day
from processor.assignment import read_assignment
from processor.process_task import process_task
from processor.task import Task
from staging.config.pipeline import Pipeline
from staging.errors import HeldError, InputError
from staging.hours.name import Hour, parse_hour
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.store import Store
from staging.window import windows_of
from tests.faults.small_day import SCHEMA, SmallShop
from tests.shop.purchases import create_purchases

pytestmark = pytest.mark.integration

BERLIN = ZoneInfo("Europe/Berlin")
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)
_TIMES = {"sqlite": "TEXT", "postgresql": "timestamptz", "mariadb": "DATETIME(6)", "mysql": "DATETIME(6)"}
_EDGE = timedelta(microseconds=1)

Rows = dict[tuple[str, int], tuple[Decimal, int]]


def purchases(day: date) -> list[tuple[int, datetime, Decimal]]:
    """A purchase each 11 minutes of three days, and one on either side of each full hour."""
    first = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=1)
    times = [first + timedelta(minutes=11 * number) for number in range(390)]
    times += [first + timedelta(hours=hour) + by for hour in range(72) for by in (-_EDGE, timedelta(0), _EDGE)]
    return [(number % 7, at, Decimal(number * 7919 % 90_000 + 1) / 100) for number, at in enumerate(times)]


def expected(sold: Sequence[tuple[int, datetime, Decimal]], hours: Sequence[date]) -> Rows:
    """What the target must hold: by plain Python, each purchase in the hour that the clock showed, at its offset."""
    found: dict[tuple[str, int], list[Decimal]] = defaultdict(list)
    wanted = {str(hour) for hour in hours}
    for user, at, amount in sold:
        shown = at.astimezone(BERLIN).isoformat()
        hour = shown[:13] + shown[-6:]
        if hour in wanted:
            found[hour, user].append(amount)
    return {where: (sum(amounts, Decimal(0)), len(amounts)) for where, amounts in found.items()}


@dataclass(frozen=True, slots=True)
class HourlyShop:
    """A shop, its hourly pipeline and its jobs, each in this process."""

    shop: SmallShop
    folder: Path
    target: dict[str, Any]
    more: dict[str, Any]

    @property
    def pipeline(self) -> Pipeline:
        source = {
            "url": self.shop.url,
            "table": "purchases",
            "key": "user_id",
            "time": "purchased_at",
            "columns": ["amount"],
            "timezone": "Europe/Berlin",
            "window": "hour",
        }
        return Pipeline.model_validate(
            {
                "name": "hourly_revenue",
                "source": source | self.more,
                "staging": {"url": (self.folder / "staging").as_uri()},
                "export": {"shards": 2},
                "target": self.target,
            }
        )

    def fill(self, sold: Sequence[tuple[int, datetime, Decimal]]) -> None:
        rows = [(number, *purchase) for number, purchase in enumerate(sold)]
        columns = {"purchased_at": f"{_TIMES[self.shop.dialect]} NOT NULL"}
        create_purchases(self.shop.url, rows, columns=columns)
        (self.folder / "staging").mkdir()
        init_target(self.pipeline, SCHEMA, ("user_id",), apply=True)

    def run(self, hour: date, run_id: str, *, fresh_export: bool = False) -> Outcome:
        """Export, process and load an hour."""
        pipeline = self.pipeline
        with self.store() as store:
            around = Surroundings(store, lambda url: open_source(url, say=_hush), lambda: NOW, Cancel(), Progress())
            export_day(pipeline, hour, run_id, around, fresh_export=fresh_export)
            work = read_assignment(store, pipeline, DayNames(pipeline.name, hour), run_id, [])
            (self.folder / "scratch").mkdir(exist_ok=True)
            process_task(
                store,
                work,
                Task(0, 1, 0),
                scratch=self.folder / "scratch",
                cancel=Cancel(),
                progress=Progress(),
                say=_hush,
            )
            return self.load(store, hour, run_id)

    def load(self, store: Store, hour: date, run_id: str) -> Outcome:
        return load_day(self.pipeline, hour, run_id, store=store, now=lambda: NOW, cancel=Cancel(), say=_hush)

    @contextmanager
    def store(self) -> Iterator[Store]:
        with open_store(self.pipeline.staging.url) as store:
            yield store

    def assert_verified(self, hour: date) -> None:
        with self.store() as store:
            found = verify_day(self.pipeline, hour, store=store, cancel=Cancel(), say=_hush)
        assert found.ok, [check for check in found.checks if not check.ok]

    def rows(self) -> Rows:
        """What the target holds, read without any code of the loader."""
        found = self.shop.do("SELECT hour, user_id, revenue, purchases FROM revenue")
        return {(_name(hour), int(user)): (Decimal(str(money)), int(n)) for hour, user, money, n in found}

    def ledger(self) -> dict[str, str]:
        found = self.shop.do("SELECT hour, run_id FROM penstock_ledger_hours")
        return {_name(hour): str(run_id) for hour, run_id in found}


def _name(hour: Any) -> str:
    instant = datetime.fromisoformat(str(hour))
    shown = instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(BERLIN).isoformat()
    return shown[:13] + shown[-6:]


def _hush(_: str) -> None:
    pass


@pytest.fixture
def sqlite_shop(tmp_path: Path, sqlite_database: str) -> HourlyShop:
    return HourlyShop(SmallShop(sqlite_database), tmp_path, {"url": sqlite_database, "table": "revenue"}, {})


@pytest.fixture(params=["sqlite_database", "postgres_database", "mariadb_database", "mysql_database"])
def any_shop(request: pytest.FixtureRequest, tmp_path: Path) -> HourlyShop:
    url = request.getfixturevalue(request.param)
    return HourlyShop(SmallShop(url), tmp_path, {"url": url, "table": "revenue"}, {})


@pytest.mark.parametrize(("day", "count"), [(SPRING, 23), (AUTUMN, 25)])
def test_the_hours_of_a_day_are_the_day(sqlite_shop: HourlyShop, day: date, count: int) -> None:
    sold = purchases(day)
    sqlite_shop.fill(sold)
    hours = windows_of(day, "hour", BERLIN)
    for number, hour in enumerate(hours):
        sqlite_shop.run(hour, f"run-{number:04}")
    found = sqlite_shop.rows()
    assert found == expected(sold, hours)
    assert len({hour for hour, _ in found}) == len(hours) == count
    of_day = sum((amount for _, at, amount in sold if at.astimezone(BERLIN).date() == day), Decimal(0))
    assert sum((money for money, _ in found.values()), Decimal(0)) == of_day


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_each_hour_around_a_change_of_clocks_is_its_own(any_shop: HourlyShop, day: date) -> None:
    sold = purchases(day)
    any_shop.fill(sold)
    hours = windows_of(day, "hour", BERLIN)[1:4]
    for number, hour in enumerate(hours):
        any_shop.run(hour, f"run-{number:04}")
    assert any_shop.rows() == expected(sold, hours)
    assert any_shop.ledger() == {str(hour): f"run-{number:04}" for number, hour in enumerate(hours)}
    for hour in hours:
        any_shop.assert_verified(hour)


def test_an_hour_that_is_run_again_leaves_the_other_of_the_same_name_alone(any_shop: HourlyShop) -> None:
    sold = purchases(AUTUMN)
    any_shop.fill(sold)
    first, second = (parse_hour(f"2026-10-25T02+0{offset}:00") for offset in (2, 1))
    any_shop.run(first, "run-0001")
    any_shop.run(second, "run-0002")
    before = {where: row for where, row in any_shop.rows().items() if where[0] == str(first)}
    at = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    any_shop.shop.do(
        f"INSERT INTO purchases VALUES (1000000, 3, '{at:%Y-%m-%d %H:%M:%S}"
        f"{'+00' if any_shop.shop.dialect == 'postgresql' else '.000000'}', 1000.01)"
    )
    again = any_shop.run(second, "run-0003", fresh_export=True)
    assert (again.loaded.inserted, again.loaded.updated, again.loaded.deleted) == (1, 0, 0)
    assert any_shop.rows() == expected([*sold, (3, at, Decimal("1000.01"))], [first, second])
    assert {where: row for where, row in any_shop.rows().items() if where[0] == str(first)} == before
    assert any_shop.ledger() == {str(first): "run-0001", str(second): "run-0003"}
    with any_shop.store() as store, pytest.raises(HeldError):
        any_shop.load(store, second, "run-0002")
    any_shop.assert_verified(first)


def test_parquet_files_of_an_hour_lie_in_its_own_folder(tmp_path: Path, sqlite_database: str) -> None:
    target = tmp_path / "revenue"
    target.mkdir()
    shop = HourlyShop(SmallShop(sqlite_database), tmp_path, {"parquet": target.as_uri()}, {})
    sold = purchases(AUTUMN)
    shop.fill(sold)
    hours = [hour for hour in windows_of(AUTUMN, "hour", BERLIN) if hour.isoformat()[11:13] == "02"]
    for number, hour in enumerate(hours):
        shop.run(hour, f"run-{number:04}")
        shop.assert_verified(hour)
    found: Rows = {}
    for hour in hours:
        manifest = json.loads((target / f"hour={hour}" / "manifest.json").read_text())
        assert manifest["day"] == str(hour)
        for part in manifest["parts"]:
            for row in pq.read_table(target / part["name"], partitioning=None).to_pylist():
                found[str(hour), row["user_id"]] = (row["revenue"], row["purchases"])
    assert found == expected(sold, hours)


def test_an_hour_is_doubted_by_the_same_hour_of_other_days_and_not_by_a_busier_one(sqlite_shop: HourlyShop) -> None:
    night, evening = datetime(2026, 11, 10, 2, 30, tzinfo=UTC), datetime(2026, 11, 10, 19, 30, tzinfo=UTC)
    days = [timedelta(days=number) for number in range(4)]
    sold = [(user, night + by, Decimal(1)) for by in days for user in range(30 if by < days[3] else 1)]
    sold += [(user, evening + by, Decimal(1)) for by in days for user in range(500)]
    sqlite_shop.fill(sold)
    for number, by in enumerate(days):
        if by < days[3]:
            sqlite_shop.run(_hour(evening + by), f"run-1{number:03}")
            sqlite_shop.run(_hour(night + by), f"run-2{number:03}")
    with pytest.raises(DoubtedDayError, match="2026-11-13T03\\+01:00 is doubted"):
        sqlite_shop.run(_hour(night + days[3]), "run-3000")


def _hour(instant: datetime) -> Hour:
    shown = instant.astimezone(BERLIN).isoformat()
    return parse_hour(shown[:13] + shown[-6:])


def test_a_wall_clock_that_shows_an_hour_twice_has_neither_of_the_two(tmp_path: Path, sqlite_database: str) -> None:
    target = {"url": sqlite_database, "table": "revenue"}
    shop = HourlyShop(SmallShop(sqlite_database), tmp_path, target, {"column_timezone": "Europe/Berlin"})
    sold = [(1, datetime(2026, 10, 25, hour, 30, tzinfo=UTC), Decimal(hour + 1)) for hour in range(5)]
    shop.fill(sold)
    for offset in (2, 1):
        with pytest.raises(InputError, match="can't be found in wall-clock times of Europe/Berlin"):
            shop.run(parse_hour(f"2026-10-25T02+0{offset}:00"), f"run-000{offset}")
    for hour in ("2026-10-25T01+02:00", "2026-10-25T03+01:00", "2026-10-25T04+01:00"):
        shop.run(parse_hour(hour), f"run-{hour[11:13]}00")
    assert {hour: money for (hour, _), (money, _) in shop.rows().items()} == {
        "2026-10-25T01+02:00": Decimal("2.00"),
        "2026-10-25T03+01:00": Decimal("4.00"),
        "2026-10-25T04+01:00": Decimal("5.00"),
    }


def test_a_column_of_dates_has_no_hours(postgres_database: str, tmp_path: Path) -> None:
    target = {"url": postgres_database, "table": "revenue"}
    shop = HourlyShop(SmallShop(postgres_database), tmp_path, target, {})
    shop.fill([(1, datetime(2026, 10, 25, 12, tzinfo=UTC), Decimal(1))])
    shop.shop.do("ALTER TABLE purchases ALTER COLUMN purchased_at TYPE date")
    with pytest.raises(InputError, match="A column of dates has no hours"):
        shop.run(parse_hour("2026-10-25T12+01:00"), "run-0001")


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (
            [
                "DROP TABLE revenue",
                "CREATE TABLE revenue (user_id int, day date, revenue decimal(28,2), purchases int)",
            ],
            "revenue has no column hour",
        ),
        (
            [
                "DROP TABLE revenue",
                (
                    "CREATE TABLE revenue (user_id int, hour date NOT NULL, revenue decimal(28,2), purchases int, "
                    "PRIMARY KEY (hour, user_id))"
                ),
            ],
            "The column hour is DATE",
        ),
        (["DROP TABLE penstock_ledger_hours"], "There is no ledger"),
    ],
)
def test_a_target_of_days_takes_no_hours(
    mariadb_database: str, tmp_path: Path, statements: list[str], said: str
) -> None:
    shop = HourlyShop(SmallShop(mariadb_database), tmp_path, {"url": mariadb_database, "table": "revenue"}, {})
    shop.fill(purchases(AUTUMN))
    shop.shop.do(*statements)
    with pytest.raises(InputError) as refused:
        shop.run(parse_hour("2026-10-25T12+01:00"), "run-0001")
    assert said.casefold() in refused.value.what.casefold()
