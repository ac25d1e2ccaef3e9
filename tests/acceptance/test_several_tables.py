"""A day of three tables, brought to done in this process; and each command that looks at such a day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from chain.create_tables import create_tables
from chain.day.report import describe_since
from chain.diff.exports import diff_tables
from chain.diff.plan import plan_comparisons
from chain.diff.view import describe_changes, format_differences, tables_to_json
from chain.doctor.look import examine
from chain.keep.differences import find_differences
from chain.plan.day import plan_day
from chain.plan.view import format_plan
from chain.views.summary import _since
from exporter.compare.days import DayComparer
from exporter.export_day import Surroundings, export_day
from exporter.open_source import open_source
from loader.load_day import load_day
from loader.verify.day import verify_day
from processor.assignment import read_assignment
from processor.process_task import process_task
from processor.task import Task
from staging.config.file import load_pipeline
from staging.config.pipeline import Pipeline
from staging.documents.exports import find_current_manifest
from staging.documents.manifest import Manifest
from staging.errors import InputError
from staging.names import DayNames, parse_name
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.store import Store
from tests.exporter.days import DAY
from tests.shop.net_shop import NetShop, create_net_shop, make_net_shop

pytestmark = pytest.mark.integration

PIPELINES = Path(__file__).parents[2] / "pipelines"
SHOP = make_net_shop()
NAMES = DayNames("net_revenue", DAY)


class Day:
    """The shop's day in one database, in a folder of staging."""

    def __init__(self, url: str, store: Store, folder: Path) -> None:
        self.database, self.store, self.folder, self.runs = create_net_shop(url, SHOP), store, folder, 0
        self.path = PIPELINES / "net_revenue.toml"

    def pipeline(self, *overrides: str) -> Pipeline:
        environ = {"SHOP_URL": self.database.url, "WAREHOUSE_URL": self.database.url}
        staging = f"staging.url={self.store.url}"
        return load_pipeline(self.path, environ=environ, overrides=[staging, "export.shards=3", *overrides])

    def run(self, *overrides: str, fresh: bool = False) -> Manifest:
        """Bring the day to done."""
        self.runs += 1
        run_id, pipeline = f"run-{self.runs:04d}", self.pipeline(*overrides)
        around = Surroundings(self.store, open_source, lambda: datetime.now(UTC), Cancel(), Progress())
        export_day(pipeline, DAY, run_id, around, fresh_export=fresh)
        work = read_assignment(self.store, pipeline, NAMES, run_id, [PIPELINES])
        scratch = self.folder / f"scratch-{run_id}"
        scratch.mkdir()
        task = Task(0, 1, 0)
        process_task(self.store, work, task, scratch=scratch, cancel=Cancel(), progress=Progress(), say=lambda _: None)
        load_day(pipeline, DAY, run_id, store=self.store, now=lambda: datetime.now(UTC), cancel=Cancel(), say=print)
        return work.manifest

    def loaded(self) -> dict[int, tuple[Decimal, str | None]]:
        rows = self.database.execute("SELECT user_id, net, country FROM net_revenue")
        return {user: (Decimal(str(net)), country) for user, net, country in rows}


@pytest.fixture(params=["sqlite", "postgres", "mariadb", "mysql"])
def day(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Day]:
    url = request.getfixturevalue(f"{request.param}_database")
    with open_store((tmp_path / "staging").as_uri()) as store:
        found = Day(url, store, tmp_path)
        create_tables(found.pipeline(), apply=True, folders=[PIPELINES])
        yield found


def test_a_day_of_three_tables_is_loaded_proven_and_looked_at_by_each_command(day: Day) -> None:
    pipeline = day.pipeline()
    planned = plan_day(pipeline, DAY, day.store, [PIPELINES])
    assert not planned.refused
    assert [(table.name, table.table) for table in planned.export.tables] == [
        ("refunds", "refunds"),
        ("users", "users"),
    ]
    assert planned.export.read == "snapshot"
    assert "with refunds" in format_plan(planned, datetime.now(UTC), style=lambda text, **_: text, columns=80)
    findings = {each.name: each for each in examine(pipeline, [PIPELINES], {}, lambda: datetime.now(UTC))}
    assert findings["source tables"].level == "ok"
    assert findings["transform"].level == "ok", findings["transform"]

    first = day.run()
    assert day.loaded() == SHOP.net()
    verified = verify_day(pipeline, DAY, store=day.store, cancel=Cancel(), say=lambda _: None)
    assert verified.ok
    assert "refunds" in next(check.why for check in verified.checks if check.name == "shards")
    assert {parsed.table for info in day.store.list("net_revenue/") if (parsed := parse_name(info.name))} == {
        None,
        "refunds",
        "users",
    }

    sure = "same sums" if day.database.dialect == "sqlite" else "equal"
    assert compare(day) == (sure, True)
    user, amount = SHOP.of_day("refunds")[0]
    day.database.execute(f"UPDATE refunds SET amount = amount + 1 WHERE user_id = {user} AND amount = {amount}")
    assert compare(day) == ("changed", True)

    slices = () if day.database.dialect == "sqlite" else ("export.read=slices", "pacing.gentle=replica")
    second = day.run(*slices, fresh=True)
    assert second.reading.mode == ("slices" if slices else "snapshot")
    assert compare(day) == (sure, True)
    assert describe_changes(first, second).startswith("refunds: rows ")
    assert describe_changes(first, second).endswith("(+1.00)")
    assert _since(describe_since(first, second)) == f"{first.export_id}: other rows of a table beside the leading one"
    assert describe_changes(second, second) == "nothing has changed"
    comparisons = plan_comparisons(first, second)
    (day.folder / "diff").mkdir()
    found = diff_tables(day.store, comparisons, limit=5, scratch=day.folder / "diff", cancel=Cancel())
    told = tables_to_json(comparisons, found)
    assert (told["equal"], told["keys"]["changed"]) == (False, 0)
    assert [(table["name"], table["keys"]["changed"]) for table in told["tables"]] == [("refunds", 1), ("users", 0)]
    assert "table refunds: 1 key differs" in format_differences(comparisons, found, style=lambda text, **_: text)
    assert day.loaded()[user][0] == SHOP.net()[user][0] - 1

    again: Any = SimpleNamespace(
        day=DAY,
        pipeline="net_revenue",
        export_id=second.export_id,
        since_export_before={"export_id": first.export_id},
    )
    kept = find_differences(day.store, [again], Cancel(), print)[DAY]
    assert [(each.table, differs.changed) for each, differs in zip(kept.compared, kept.found, strict=True)] == [
        ("", 0),
        ("refunds", 1),
        ("users", 0),
    ]


def compare(day: Day) -> tuple[str, bool]:
    """The verdict on the day, and whether it says of users that they are not compared."""
    comparer = DayComparer(day.pipeline(), day.store, Cancel(), None)
    (found,) = comparer.compare([DAY], lambda _: find_current_manifest(day.store, NAMES))
    assert found.error is None, found.error
    says = found.compared.outcome == "changed" or "users: of no day, and not compared" in found.compared.why
    return found.compared.outcome, says


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("source.with.refunds.key=nobody", "has no column 'nobody'"),
        ("source.with.users.table=nowhere", "There is no table or view nowhere"),
        ("source.with.users.columns=country,nothing", "has no column 'nothing'"),
        ("export.read=slices", "SQLite has no row versions"),
    ],
)
def test_plan_and_doctor_say_what_an_export_would_refuse(
    tmp_path: Path, sqlite_database: str, override: str, told: str
) -> None:
    with open_store((tmp_path / "staging").as_uri()) as store:
        day = Day(sqlite_database, store, tmp_path)
        pipeline = day.pipeline(override)
        try:
            planned: Any = plan_day(pipeline, DAY, store, [PIPELINES]).refused
        except Exception as error:  # noqa: BLE001 - a table that is not there leaves nothing to plan
            planned = [error]
        assert told in " ".join(map(str, planned))
        findings = list(examine(pipeline, [PIPELINES], {}, lambda: datetime.now(UTC)))
        assert told in " ".join(f"{each.text} {each.fix}" for each in findings)


def test_the_shop_without_rows_is_a_day_of_nothing(tmp_path: Path, sqlite_database: str) -> None:
    with open_store((tmp_path / "staging").as_uri()) as store:
        day = Day(sqlite_database, store, tmp_path)
        for table in ("purchases", "refunds"):
            day.database.execute(f"DELETE FROM {table}")
        create_tables(day.pipeline(), apply=True, folders=[PIPELINES])
        day.run()
        assert day.loaded() == NetShop([], [], []).net() == {}


def test_a_day_of_tables_and_files_is_loaded_proven_and_looked_at_by_each_command(day: Day) -> None:
    """The users' countries come from a file of a lake, in place of the table."""
    lake = day.folder / "lake" / "users.parquet"
    lake.parent.mkdir()
    countries = {"id": [user for user, _ in SHOP.users], "country": [country for _, country in SHOP.users]}
    pl.DataFrame(countries, schema={"id": pl.Int64(), "country": pl.String()}).write_parquet(lake)
    path = day.folder / "net_revenue.toml"
    path.write_text(
        (PIPELINES / "net_revenue.toml").read_text().replace('table = "users"\n', f'parquet = "{lake.as_uri()}"\n')
    )
    day.database.execute("DROP TABLE users")
    day.path = path

    pipeline = day.pipeline()
    planned = plan_day(pipeline, DAY, day.store, [PIPELINES])
    assert not planned.refused
    shown = format_plan(planned, datetime.now(UTC), style=lambda text, **_: text, columns=80)
    assert "users.parquet" in shown
    assert "as many rows as they have" in shown
    findings = {each.name: each for each in examine(pipeline, [PIPELINES], {}, lambda: datetime.now(UTC))}
    assert findings["source files"].level == "ok"
    assert findings["transform"].level == "ok", findings["transform"]

    first = day.run()
    assert day.loaded() == SHOP.net()
    assert verify_day(pipeline, DAY, store=day.store, cancel=Cancel(), say=lambda _: None).ok
    comparer = DayComparer(pipeline, day.store, Cancel(), None)
    (found,) = comparer.compare([DAY], lambda _: find_current_manifest(day.store, NAMES))
    assert found.compared.outcome == ("same sums" if day.database.dialect == "sqlite" else "equal")
    assert "users: of files, whose rows are not compared" in found.compared.why

    lake.unlink()  # reprocessing reads what is staged
    second = day.run()
    assert second.export_id == first.export_id
    assert day.loaded() == SHOP.net()
    with pytest.raises(InputError, match=r"users \(parquet .*users.parquet, key id"):
        day.run("source.with.users.parquet=" + (day.folder / "others.parquet").as_uri())
