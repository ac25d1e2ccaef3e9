"""Bad input through the whole chain: what the user is told, the exit code, and a day that stays as it was.

A day is done on SQLite and a folder; then something is spoilt, and the day is run again. What a single job says to the
many kinds of bad rows, documents and tables on each database is tested beside the jobs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.commands import penstock
from tests.acceptance.objects import list_objects, read_manifest, read_object
from tests.acceptance.test_commands import ON_DAY, done_day
from tests.acceptance.whole_day import WholeDay
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

FRESH = ("run", "--fresh-export")
LOAD = ("reprocess",)
Spoil = Callable[[WholeDay], None]


@dataclass(frozen=True, slots=True)
class Case:
    """`spoil` the done day, start `command`, expect `code` and each of `words` in the error."""

    spoil: Spoil
    command: tuple[str, ...]
    code: int
    words: tuple[str, ...]


def sql(*statements: str) -> Spoil:
    def spoil(whole: WholeDay) -> None:
        for statement in statements:
            whole.source.execute(statement)

    return spoil


def setting(section: str, **keys: object) -> Spoil:
    return lambda whole: void(whole.write_config(**{section: keys}))


def shard(change: Callable[[Path, Path], object]) -> Spoil:
    """Change a file of the first shard; the second one's is at hand."""

    def spoil(whole: WholeDay) -> None:
        first, second = (
            _path(whole, shard["files"][0]["name"]) for shard in read_manifest(whole.staging_url)["shards"][:2]
        )
        change(first, second)

    return spoil


def manifest(change: Callable[[bytes], bytes]) -> Spoil:
    def spoil(whole: WholeDay) -> None:
        (name,) = [name for name in list_objects(whole.staging_url) if name.endswith("/manifest.json")]
        path = _path(whole, name)
        path.write_bytes(change(path.read_bytes()))

    return spoil


def transform(body: str) -> Spoil:
    """Write a transform beside the pipeline file; `body` is its `apply`."""

    def spoil(whole: WholeDay) -> None:
        (whole.folder / "mine.py").write_text(
            "import polars as pl\n"
            "from processor.revenue import contract, apply as revenue\n"
            "from processor.transform import Split, Transform\n"
            f"def apply(rows, day):\n    {body}\n"
            "mine = Transform(contract=contract, apply=apply)\n"
        )
        whole.write_config(process={"transform": "mine:mine"})

    return spoil


def void(_: object) -> None:
    """Forget what a change returned."""


def _path(whole: WholeDay, name: str) -> Path:
    return whole.folder / "staging" / name


def _flip_a_bit(first: Path, _: Path) -> None:
    data = bytearray(first.read_bytes())
    data[len(data) // 2] ^= 1
    first.write_bytes(data)


def _swap(first: Path, second: Path) -> None:
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)


NOON = "'2026-10-25 12:00:00'"
CASES = {
    # the source
    "no table": Case(setting("source", table="purchasess"), FRESH, 10, ("purchasess",)),
    "no column": Case(setting("source", columns=["amont"]), FRESH, 10, ("amont", "'amount'")),
    "no time column": Case(setting("source", time="bought_at"), FRESH, 10, ("bought_at",)),
    "bad where": Case(setting("source", where="status = 'paid"), FRESH, 10, ("source.where",)),
    "where of an unknown column": Case(setting("source", where="stadus = 'paid'"), FRESH, 10, ("stadus",)),
    "no file": Case(setting("source", url="sqlite:////nowhere/shop.db"), FRESH, 10, ("/nowhere/shop.db",)),
    "no file any more": Case(setting("source", url="file:/nowhere/url"), FRESH, 10, ("/nowhere/url",)),
    "no variable": Case(setting("source", url="env:NOT_THERE"), FRESH, 10, ("NOT_THERE",)),
    "no server": Case(setting("source", url="postgresql+psycopg://a:b@127.0.0.1:1/c"), FRESH, 20, ("127.0.0.1", "1")),
    "text in an amount": Case(
        sql(f"INSERT INTO purchases VALUES (7, {NOON}, 'abc', 'paid')"), FRESH, 10, ("amount", "'abc'", "user_id is 7")
    ),
    "a digit too many": Case(
        sql(f"INSERT INTO purchases VALUES (7, {NOON}, 1.005, 'paid')"), FRESH, 10, ("amount", "1.005", "user_id is 7")
    ),
    "infinity": Case(sql(f"INSERT INTO purchases VALUES (7, {NOON}, 9e999, 'paid')"), FRESH, 10, ("amount", "Inf")),
    "a time that is none": Case(
        sql("INSERT INTO purchases VALUES (7, '2026-10-25 24:61:00', 1, 'paid')"), FRESH, 10, ("purchased_at", "24:61")
    ),
    "NULL as an amount": Case(
        sql(
            "CREATE TABLE loose (user_id BIGINT, purchased_at TIMESTAMP, amount DECIMAL(12, 2), status VARCHAR(20))",
            "INSERT INTO loose SELECT * FROM purchases",
            f"INSERT INTO loose VALUES (7, {NOON}, NULL, 'paid')",
            "DROP TABLE purchases",
            "ALTER TABLE loose RENAME TO purchases",
        ),
        FRESH,
        10,
        ("amount", "NULL", "user_id is 7"),
    ),
    "floats for money": Case(
        sql(
            "CREATE TABLE loose (user_id BIGINT, purchased_at TIMESTAMP, amount DOUBLE, status VARCHAR(20))",
            "INSERT INTO loose SELECT * FROM purchases",
            "DROP TABLE purchases",
            "ALTER TABLE loose RENAME TO purchases",
        ),
        FRESH,
        10,
        ("amount", "floating-point", "allow_float"),
    ),
    # the staging
    "no staging folder": Case(setting("staging", url="file:///nowhere/staging"), ("run",), 10, ("/nowhere/staging",)),
    "a shard that is gone": Case(shard(lambda first, _: first.unlink()), LOAD, 40, ("shard=00000",)),
    "a shard that is cut": Case(
        shard(lambda first, _: void(first.write_bytes(first.read_bytes()[:-9]))), LOAD, 40, ("shard=00000",)
    ),
    "a flipped bit": Case(shard(_flip_a_bit), LOAD, 40, ("shard=00000",)),
    "swapped shards": Case(shard(_swap), LOAD, 40, ("shard=0000",)),
    "a manifest that is cut": Case(manifest(lambda data: data[:-30]), LOAD, 40, ("manifest.json",)),
    "a manifest of another content": Case(
        manifest(lambda data: data.replace(b'"rows": ', b'"rows": 1', 1)), LOAD, 40, ("manifest.json",)
    ),
    "a manifest of a newer version": Case(
        manifest(lambda data: data.replace(b'"format": 1', b'"format": 9')), LOAD, 40, ("manifest.json",)
    ),
    # the transform
    "no module": Case(setting("process", transform="not_there:mine"), LOAD, 10, ("not_there",)),
    "no function": Case(setting("process", transform="processor.revenue:mine"), LOAD, 10, ("mine",)),
    "another schema": Case(
        transform("return revenue(rows, day).rows.rename({'purchases': 'count'})"), LOAD, 10, ("count",)
    ),
    "a lost cent": Case(
        transform("return revenue(rows.slice(1), day)"),
        LOAD,
        40,
        ("revenue", "amount"),
    ),
    "a crash": Case(transform("raise RuntimeError('on purpose')"), LOAD, 10, ("on purpose",)),
    # the target
    "no target table": Case(sql("ALTER TABLE revenue RENAME TO moved"), LOAD, 10, ("revenue", "init")),
    "no ledger": Case(sql("ALTER TABLE penstock_ledger RENAME TO moved"), LOAD, 10, ("penstock_ledger",)),
    "no unique key": Case(
        sql(
            "ALTER TABLE revenue RENAME TO moved",
            "CREATE TABLE revenue AS SELECT * FROM moved",
        ),
        LOAD,
        10,
        ("revenue", "user_id"),
    ),
    "another pipeline's day": Case(sql("UPDATE penstock_ledger SET pipeline = 'other'"), LOAD, 10, ("other",)),
    "another bucket's day": Case(
        sql("UPDATE penstock_ledger SET head_id = 'ffffffffffffffffffffffffffffffff'"), LOAD, 10, ("--adopt-head",)
    ),
    "a newer run's day": Case(
        sql("UPDATE penstock_ledger SET fence = fence + 100"), LOAD, 10, ("behind the ledger", "--raise-fence")
    ),
    "a newer export's day": Case(
        sql("UPDATE penstock_ledger SET as_of = '2100-01-01 00:00:00.000000+00:00'"), LOAD, 30, ("2100",)
    ),
    "another window's day": Case(
        sql("UPDATE penstock_ledger SET window_start = '2026-10-24 21:00:00.000000+00:00'"), LOAD, 10, ("window",)
    ),
}


# One job alone decides these, and its own tests show them, too.
BY_ONE_JOB = {
    *("no column", "no time column", "bad where", "where of an unknown column", "no file any more", "no variable"),
    *("a digit too many", "infinity", "a time that is none", "NULL as an amount", "swapped shards"),
    *("a manifest of another content", "a manifest that is cut", "no module", "no function", "another schema"),
    *("no ledger", "no unique key", "another bucket's day", "another window's day"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.nightly] if name in BY_ONE_JOB else []) for name in CASES]
)
def test_it_is_told_and_the_day_stays_as_it_was(name: str, sqlite_database: str, tmp_path: Path) -> None:
    case = CASES[name]
    whole, config = done_day(Database(sqlite_database), Database(sqlite_database), tmp_path)
    case.spoil(whole)
    before = _state(whole)
    ended = penstock(*case.command, *config, *ON_DAY, logs=tmp_path / "logs")
    assert ended.code == case.code, ended.err
    for word in (*case.words, "error: ", "why: "):
        assert word in ended.err, ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""
    assert _state(whole) == before


def test_a_missing_bucket_is_told(gcs_endpoint: str, sqlite_database: str, tmp_path: Path) -> None:
    whole, config = done_day(Database(sqlite_database), Database(sqlite_database), tmp_path)
    before = _state(whole)
    missing = ("--set", "staging.url=gs://penstock-not-there/staging")
    ended = penstock("run", *config, *ON_DAY, *missing, logs=tmp_path / "logs")
    assert ended.code == 10, ended.err
    assert "penstock-not-there" in ended.err
    assert _state(whole) == before


def test_a_day_of_damaged_shards_is_brought_home_by_a_fresh_export(sqlite_database: str, tmp_path: Path) -> None:
    whole, config = done_day(Database(sqlite_database), Database(sqlite_database), tmp_path)
    revenue = _state(whole)["revenue"]
    shard(_flip_a_bit)(whole)
    assert penstock("reprocess", *config, *ON_DAY, logs=tmp_path / "logs").code == 40
    assert penstock("run", "--fresh-export", *config, *ON_DAY, logs=tmp_path / "logs").code == 0
    assert _state(whole)["revenue"] == revenue


def _state(whole: WholeDay) -> dict[str, object]:
    """Return all that counts: the target's tables, and what the staging names as current and loaded."""
    tables = {row[0] for row in whole.target.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    rows: dict[str, object] = {
        table: sorted(whole.target.execute(f'SELECT * FROM "{table}"'))
        for table in ("revenue", "penstock_ledger", "moved")
        if table in tables
    }
    names = list_objects(whole.staging_url)
    (head,) = [name for name in names if name.startswith("heads/") and "/day=" in name]
    current = json.loads(read_object(whole.staging_url, head))["export_id"]
    counted = [name for name in names if name.endswith(("/manifest.json", "/loaded.json"))]
    return rows | {"current export": current, "documents that count": counted}


def test_a_function_that_ends_the_exporters_process_leaves_no_day(tmp_path: Path) -> None:
    (tmp_path / "quits.py").write_text(
        "import os\nfrom decimal import Decimal\nimport polars as pl\n"
        "def read(day, start, end):\n"
        "    yield pl.DataFrame({'user_id': [1], 'at': [start], 'amount': [Decimal('1.00')]},\n"
        "        schema_overrides={'amount': pl.Decimal(12, 2)})\n"
        "    os._exit(0)\n"
    )
    (tmp_path / "pipeline.toml").write_text(
        'name = "quits"\n[source]\npython = "quits:read"\nkey = "user_id"\ntime = "at"\ncolumns = ["amount"]\n'
        f'timezone = "UTC"\n[staging]\nurl = "file://{tmp_path}/staging"\n'
        f'[target]\nurl = "sqlite:///{tmp_path}/target.db"\ntable = "revenue"\n'
    )
    (tmp_path / "staging").mkdir()
    config = ("--config", tmp_path / "pipeline.toml")
    assert penstock("init", *config, logs=tmp_path / "logs").code == 0
    ended = penstock("run", *config, "--day", "2026-10-25", logs=tmp_path / "logs")
    assert ended.code == 10, ended.err
    assert "ended with 0, but left no export" in ended.err
    assert "os._exit" in ended.err
