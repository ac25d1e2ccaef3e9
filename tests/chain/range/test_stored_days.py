"""Weeks and months made of stored days: the same rows as the days, no database, and nothing that is not whole."""

from __future__ import annotations

import sqlite3
import subprocess
from collections import defaultdict
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chain.day.note_failure import note_failure
from chain.gc.collect import clean_up
from exporter.inspect.describe import describe_source
from loader.doubt import DoubtedDayError
from staging.config.pipeline import Pipeline
from staging.documents.head import read_head
from staging.documents.manifest import Manifest, ShardFile
from staging.documents.run import Receipt
from staging.documents.run_start import begin_run, note_run_failed
from staging.errors import InputError, IntegrityError, UnavailableError
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.cancel import Cancel
from tests.exporter.days import Export, pipeline, run_export, weekly
from tests.shop.loaded_note import note_of_one_row
from tests.shop.purchases import create_purchases
from tests.warm import warm_python

pytestmark = pytest.mark.integration

MONDAY = date(2026, 10, 19)
WEEK = [MONDAY + timedelta(days=number) for number in range(7)]
"""The clocks of Berlin are set back on its last day."""
LATER = datetime(2026, 12, 1, tzinfo=UTC)


class Shop:
    """A shop on SQLite, its days in a folder, and a week of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder}/shop.db"
        self.staging = folder / "staging"
        self.staging.mkdir()
        columns = {
            "id": None,
            "user_id": "integer NOT NULL",
            "purchased_at": "text NOT NULL",
            "amount": "decimal(12,2)",
        }
        create_purchases(self.url, columns=columns, index=False)
        for number in range(7 * 24 * 3):
            at = datetime(2026, 10, 18, 22, tzinfo=UTC) + timedelta(minutes=20 * number)
            self.buy(number * 7919 % 23, at, f"{number * 37 % 1000}.{number % 100:02}")

    def sql(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "shop.db")) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def buy(self, user: int, at: datetime, amount: str) -> None:
        self.sql("INSERT INTO purchases VALUES (?, ?, ?)", (user, f"{at:%Y-%m-%d %H:%M:%S}", amount))

    def export(
        self, day: date, *, shards: int = 4, now: datetime = LATER, again: bool = False, **source: Any
    ) -> Export:
        settings = pipeline(self.url, self.staging, export={"shards": shards}, **source)
        run_id = f"run-{day.day:02}{shards:02}{'b' if again else 'a'}"
        return run_export(settings, day=day, run_id=run_id, fresh_export=again, now=now)

    def week(self, run_id: str = "week-0001", **source: Any) -> Export:
        return run_export(self.weekly(**source), day=MONDAY, run_id=run_id, now=LATER)

    def weekly(self, **source: Any) -> Pipeline:
        return weekly(self.url, self.staging, **source)

    def totals(self) -> dict[int, Decimal]:
        found: dict[int, Decimal] = defaultdict(Decimal)
        for user, amount in self.sql("SELECT user_id, CAST(amount AS TEXT) FROM purchases"):
            found[user] += Decimal(amount)
        return dict(found)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_week_is_the_rows_of_its_days_and_names_their_files(shop: Shop) -> None:
    days = [shop.export(day) for day in WEEK]
    week = shop.week()
    named = [file["name"] for shard in week.manifest["shards"] for file in shard["files"]]
    assert sorted(named) == sorted(
        file["name"] for day in days for shard in day.manifest["shards"] for file in shard["files"]
    )
    assert week.totals() == shop.totals()
    assert Decimal(week.manifest["sums"]["amount"]) == sum(shop.totals().values())
    assert (week.manifest["window_start"], week.manifest["window_end"]) == (
        days[0].manifest["window_start"],
        days[-1].manifest["window_end"],
    )


def test_days_with_other_numbers_of_shards_still_keep_each_key_whole(shop: Shop) -> None:
    for number, day in enumerate(WEEK):
        shop.export(day, shards=(6, 4, 10)[number % 3])
    week = shop.week()
    assert len(week.manifest["shards"]) == 2
    users = [{row["user_id"] for row in week.table(shard).to_pylist()} for shard in (0, 1)]
    assert not users[0] & users[1]
    assert week.totals() == shop.totals()


def test_a_missing_day_and_one_read_too_early_are_named_unless_allowed(shop: Shop) -> None:
    for day in WEEK[:4]:
        shop.export(day)
    shop.export(WEEK[5])
    with open_store(shop.staging.as_uri()) as store:  # as if the fifth day had been read at noon
        found = shop.export(WEEK[4])
        name = f"daily_revenue/day={WEEK[4]}/export={found.manifest['export_id']}/manifest.json"
        data, info = store.read(name)
        early = Manifest.parse(data, name=name).model_copy(update={"as_of": datetime(2026, 10, 23, 10, tzinfo=UTC)})
        store.replace(name, early.to_bytes(), generation=info.generation)
    with pytest.raises(InputError) as refused:
        shop.week()
    assert "2 of 7 days of daily_revenue" in refused.value.what
    assert "2026-10-23 was read before it was over; 2026-10-25 has no export" in refused.value.why
    allowed = shop.week("week-0002", allow_missing=True)
    assert [export["day"] for export in allowed.manifest["source"]["exports"]] == [
        str(day) for day in WEEK if day.day not in (23, 25)
    ]


def test_a_day_whose_manifest_was_deleted_is_none_that_may_be_missing(shop: Shop) -> None:
    days = [shop.export(day) for day in WEEK[:5]]
    lost = days[2].manifest["export_id"]
    (shop.staging / f"daily_revenue/day={WEEK[2]}/export={lost}/manifest.json").unlink()
    for run_id, source in (("week-0001", {}), ("week-0002", {"allow_missing": True})):
        with pytest.raises(IntegrityError) as refused:
            shop.week(run_id, **source)
        assert f"{WEEK[2]} was stored, and its manifest was deleted." in refused.value.why
        assert f"--fresh-export --from {WEEK[2]} --to {WEEK[2]}" in refused.value.fix
    shop.export(WEEK[2], again=True)
    assert len(shop.week("week-0003", allow_missing=True).manifest["source"]["exports"]) == 5


def test_a_week_that_runs_is_unfinished_and_made_anew_when_it_is_over(shop: Shop) -> None:
    for day in WEEK[:4]:
        shop.export(day)
    weekly, running = shop.weekly(allow_missing=True), datetime(2026, 10, 23, 8, tzinfo=UTC)
    early = run_export(weekly, day=MONDAY, run_id="week-0001", now=running)
    assert early.parsed().unfinished
    over = run_export(weekly, day=MONDAY, run_id="week-0002", now=LATER)
    assert over.manifest["export_id"] != early.manifest["export_id"]
    assert not over.parsed().unfinished
    again = run_export(weekly, day=MONDAY, run_id="week-0003", now=LATER)
    assert again.manifest["export_id"] == over.manifest["export_id"]


def test_a_week_that_is_over_is_closed_though_its_last_day_is_missing(shop: Shop) -> None:
    for day in WEEK[:4]:
        shop.export(day)
    weekly = shop.weekly(allow_missing=True)
    with pytest.raises(UnavailableError, match="is not over"):
        run_export(
            weekly, day=MONDAY, run_id="week-0001", now=datetime(2026, 10, 23, 8, tzinfo=UTC), require_closed=True
        )
    assert run_export(weekly, day=MONDAY, run_id="week-0002", now=LATER, require_closed=True).manifest["rows"]


def test_a_week_whose_day_was_read_again_is_made_anew_and_else_used_again(shop: Shop) -> None:
    for day in WEEK:
        shop.export(day)
    first = shop.week()
    assert shop.week("week-0002").manifest["export_id"] == first.manifest["export_id"]
    shop.buy(5, datetime(2026, 10, 21, 12, tzinfo=UTC), "1000.01")
    shop.export(WEEK[2], again=True)
    second = shop.week("week-0003")
    assert second.manifest["export_id"] != first.manifest["export_id"]
    assert second.totals() == shop.totals()


def test_gc_keeps_the_exports_that_a_week_is_made_of(shop: Shop) -> None:
    for day in WEEK:
        shop.export(day)
    week = shop.week()
    shop.export(WEEK[2], again=True)
    shop.export(WEEK[3], again=True)
    with open_store(shop.staging.as_uri()) as store:
        later = store.now() + timedelta(days=60)
        list(clean_up(store, "daily_revenue", Cancel(), timedelta(days=30), later, delete=True))
        assert all(store.find(file["name"]) for shard in week.manifest["shards"] for file in shard["files"])
        shop.week("week-0002")
        gone = list(clean_up(store, "daily_revenue", Cancel(), timedelta(days=30), later, delete=True))
    assert [bundle.kind for garbage in gone for bundle in garbage.bundles].count("export") == 2


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"key": "shop_id"}, "source.key is shop_id, the day has user_id"),
        ({"columns": ["amount", "tax"]}, "source.columns is amount, tax, the day has amount"),
        ({"timezone": "UTC"}, "source.timezone is UTC, the day has Europe/Berlin"),
    ],
)
def test_days_that_answer_another_question_are_refused(shop: Shop, source: dict[str, Any], said: str) -> None:
    for day in WEEK:
        shop.export(day)
    with pytest.raises(InputError) as refused:
        shop.week(**source)
    assert said in refused.value.why


@pytest.mark.parametrize("allow_missing", [True, False])
def test_a_window_of_windows_is_refused_with_the_pipeline_that_has_the_rows(shop: Shop, allow_missing: bool) -> None:
    for day in WEEK:
        shop.export(day)
    shop.week()
    settings = shop.weekly(exports="weekly_revenue", window="month", allow_missing=allow_missing)
    monthly = settings.model_copy(update={"name": "monthly_revenue"})
    for ask in (lambda: run_export(monthly, day=date(2026, 10, 1), now=LATER), lambda: describe_source(monthly)):
        with pytest.raises(InputError) as refused:
            ask()
        assert "weekly_revenue has no rows of its own" in refused.value.what
        assert 'exports = "daily_revenue"' in refused.value.fix
    with open_store(shop.staging.as_uri()) as store:
        assert not list(store.list("monthly_revenue/day=2026-10-01/export="))


def test_a_week_of_days_under_a_condition_has_theirs(shop: Shop) -> None:
    for day in WEEK:
        shop.export(day, where="amount >= 100")
    week = shop.week()
    assert {row["amount"] >= 100 for row in week.rows()} == {True}
    assert shop.week("week-0002").manifest["export_id"] == week.manifest["export_id"]


@pytest.mark.parametrize(
    ("later", "said"),
    [
        ({"where": "amount > 1"}, "source.where was amount > 1 for 2026-10-22 and not set for 2026-10-19"),
        ({"table": "main.purchases"}, "source.table was main.purchases for 2026-10-22 and purchases for 2026-10-19"),
        ({"column_timezone": "Asia/Tokyo"}, "source.column_timezone was Asia/Tokyo for 2026-10-22 and UTC for"),
    ],
)
def test_a_week_whose_days_were_asked_otherwise_is_refused(shop: Shop, later: dict[str, Any], said: str) -> None:
    for day in WEEK:
        shop.export(day, **(later if day.day >= 22 else {}))
    with pytest.raises(InputError, match="answer two questions") as refused:
        shop.week()
    assert said in refused.value.why


def _load(shop: Shop, day: date) -> None:
    """Write what a run leaves that loaded the day's current export."""
    with open_store(shop.staging.as_uri()) as store:
        names = DayNames("daily_revenue", day)
        head = read_head(store, names)
        assert head is not None
        known: dict[str, Any] = {"run_id": head[0].run_id, "export_id": head[0].export_id}
        loaded = note_of_one_row(day, LATER, **known)
        receipt = Receipt(
            **known,
            shard=0,
            rows_in=1,
            rows_out=1,
            rows_quarantined=0,
            quarantine_reasons={},
            part=ShardFile(name="part", generation=1, size_bytes=1, crc32c=1, sha256="0" * 64, rows=1),
            quarantine=None,
            output_columns={},
            key="user_id",
            conserved=(),
            transform="processor.revenue:revenue_per_user",
            engine="polars",
        )
        store.create(names.loaded(loaded.run_id), loaded.to_bytes())
        store.create(names.receipt(loaded.run_id, 0), receipt.to_bytes())


def test_a_day_that_the_loader_doubted_makes_no_week_unless_it_may_be_missing(shop: Shop) -> None:
    for day in WEEK[:5]:
        shop.export(day)
        _load(shop, day)
    shop.sql("DELETE FROM purchases WHERE purchased_at >= '2026-10-23 22:00:00'")
    for day in WEEK[5:]:
        shop.export(day)
    with pytest.raises(InputError) as refused:
        shop.week()
    assert "2 of 7 days" in refused.value.what
    assert "2026-10-24 is doubted and not loaded: it has 0 rows, the median of the loaded days before it 72" in (
        refused.value.why
    )
    assert "--accept-change" in refused.value.fix
    first = shop.week("week-0002", allow_missing=True)
    again = shop.week("week-0003", allow_missing=True)
    assert len(first.manifest["source"]["exports"]) == 5
    assert again.manifest["export_id"] == first.manifest["export_id"], "nothing is new, and it was made anew"
    for day in WEEK[5:]:  # a person has accepted them
        _load(shop, day)
    assert len(shop.week("week-0004", allow_missing=True).manifest["source"]["exports"]) == 7


def test_a_day_that_its_own_pipelines_checks_doubted_makes_no_week(shop: Shop) -> None:
    """Another pipeline's `[checks]` are not known here; what its loader said of the day is."""
    for day in WEEK:
        shop.export(day)
    with open_store(shop.staging.as_uri()) as store:
        for day, error in ((WEEK[1], InputError("no target")), (WEEK[4], DoubtedDayError("It has 72 rows, not 100."))):
            names = DayNames("daily_revenue", day)
            found = read_head(store, names)
            assert found is not None
            assert found[0].run_id is not None
            note_run_failed(store, names, found[0].run_id, now=LATER)
            note_failure(store, names, error, LATER)
    with pytest.raises(InputError) as refused:
        shop.week()
    assert "1 of 7 days" in refused.value.what, "a target that is not there doubts no rows"
    assert f"{WEEK[4]} is not loaded: It has 72 rows, not 100." in refused.value.why
    assert "--accept-change" in refused.value.fix
    assert len(shop.week("week-0002", allow_missing=True).manifest["source"]["exports"]) == 6
    _load(shop, WEEK[4])
    assert len(shop.week("week-0003", allow_missing=True).manifest["source"]["exports"]) == 7


def test_the_command_loads_a_week_and_says_what_begins_none(shop: Shop) -> None:
    for day in WEEK:
        shop.export(day)
    with open_store(shop.staging.as_uri()) as store:  # a run that was cut short after its export
        names = DayNames("weekly_revenue", MONDAY)
        begin_run(store, names, "week-0001", kind="run", fresh_export=False, now=LATER, by="ada")
    shop.week("week-0001")
    shop.buy(5, datetime(2026, 10, 21, 12, tzinfo=UTC), "1000.01")
    shop.export(WEEK[2], again=True)
    config = shop.folder / "weekly.toml"
    config.write_text(
        f"""name = "weekly_revenue"
[source]
exports = "daily_revenue"
window = "week"
key = "user_id"
time = "purchased_at"
columns = ["amount"]
timezone = "Europe/Berlin"
[staging]
url = "{shop.staging.as_uri()}"
[target]
url = "{shop.url}"
table = "weekly"
"""
    )

    def penstock(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [warm_python(), "-m", "chain", *arguments, "--config", str(config)]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    assert penstock("init").returncode == 0
    for _ in range(2):
        ended = penstock("run", "--week", "2026-W43", "--logs", str(shop.folder / "logs"))
        assert ended.returncode == 0, ended.stderr
        loaded = shop.sql("SELECT user_id, CAST(revenue AS TEXT) FROM weekly WHERE day = '2026-10-19'")
        assert {user: Decimal(total) for user, total in loaded} == shop.totals()
    assert penstock("verify", "--week", "2026-W43").returncode == 0
    assert "4 shards" in penstock("plan", "--week", "2026-W43").stdout
    wrong = penstock("run", "--day", "2026-10-21")
    assert (wrong.returncode, "--week 2026-W43" in wrong.stderr) == (10, True)
