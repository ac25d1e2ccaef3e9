"""A day in the target becomes exactly what the parts say, with the smallest change, in every database."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from staging.errors import InputError
from tests.loader.runs import DAY, Make, Row, loader_runs, revenue
from tests.loader.target_fixtures import KINDS, LoaderTarget, expected, expected_rows

pytestmark = pytest.mark.integration


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return loader_runs(tmp_path)


def test_the_ledger_says_what_is_loaded_by_whom_and_out_of_what(target: LoaderTarget, make: Make) -> None:
    run = make(revenue(range(10)), fence=7)
    target.init(run)
    outcome = target.load(run)
    row = {name: str(value) for name, value in target.ledger_row().items()}
    told = ("day", "pipeline", "head_id", "fence", "run_id", "export_id", "loaded_rows", "digest")
    assert [row[name] for name in told] == [
        *("2026-11-14", "daily_revenue", run.head_id, "7", "run-0001", "export-0001", "10"),
        outcome.loaded.digest,
    ]
    assert row["target_table"] == "revenue"
    assert row["as_of"].startswith("2026-11-15")
    assert row["window_start"].startswith("2026-11-1")
    assert '"revenue": "' in row["totals"]


def test_vanished_changed_and_new_rows_are_all_that_is_written(target: LoaderTarget, make: Make) -> None:
    target.init(first := make(revenue(range(100))))
    target.load(first)
    second = make(revenue(range(10, 130), cents=lambda user: user * 37 % 10_000 + (user == 50)), number=2)
    loaded = target.load(second).loaded
    assert (loaded.inserted, loaded.updated, loaded.deleted) == (30, 1, 10)
    assert target.rows() == expected(second)


def test_values_that_are_unique_may_be_swapped_between_rows(target: LoaderTarget, make: Make) -> None:
    target.init(first := make(revenue(range(9), cents=lambda user: user * 100)))
    target.execute(f"CREATE UNIQUE INDEX by_revenue ON {target.full_name} (day, revenue)")
    target.load(first)
    rows = revenue(range(1, 10), cents=lambda user: (9 - user) * 100)  # 0 vanishes, 9 is new and takes its value
    loaded = target.load(second := make(rows, number=2)).loaded
    assert (loaded.inserted, loaded.updated, loaded.deleted) == (1, 8, 1)
    assert target.rows() == expected(second)
    assert target.load(make(rows, number=3)).loaded.updated == 0
    rows = revenue(range(1, 10), cents=lambda user: user * 100 if user < 9 else 0)  # no row comes or goes
    loaded = target.load(third := make(rows, number=4)).loaded
    assert (loaded.inserted, loaded.updated, loaded.deleted) == (0, 8, 0)
    assert target.rows() == expected(third)


_UNIQUE_OTHERWISE = {
    "of some rows": ("CREATE UNIQUE INDEX other ON {0} (day, revenue) WHERE user_id >= 0", ("postgres", "sqlite")),
    "of an expression": ("CREATE UNIQUE INDEX other ON {0} (day, (revenue + 0))", ("postgres", "sqlite", "mysql")),
    "exclusion": ("ALTER TABLE {0} ADD EXCLUDE USING btree (day WITH =, revenue WITH =)", ("postgres",)),
    "generated": (
        "ALTER TABLE {0} ADD same decimal(28,2) GENERATED ALWAYS AS (revenue) STORED, ADD UNIQUE (day, same)",
        ("postgres", "mysql", "mariadb"),
    ),
}


@pytest.mark.parametrize(
    ("target", "ddl"),
    [(kind, ddl) for ddl, kinds in _UNIQUE_OTHERWISE.values() for kind in kinds],
    ids=[f"{how}-{kind}" for how, (_, kinds) in _UNIQUE_OTHERWISE.items() for kind in kinds],
    indirect=["target"],
)
def test_values_may_be_swapped_whatever_makes_them_unique(target: LoaderTarget, make: Make, ddl: str) -> None:
    target.init(first := make(revenue(range(9), cents=lambda user: user * 100)))
    target.execute(ddl.format(target.full_name))
    target.load(first)
    loaded = target.load(second := make(revenue(range(9), cents=lambda user: (8 - user) * 100), number=2)).loaded
    assert (loaded.inserted, loaded.updated, loaded.deleted) == (0, 8, 0)  # the fifth keeps its own
    assert target.rows() == expected(second)


@pytest.mark.parametrize("name", ["note", "hour"])
@pytest.mark.parametrize("target", ["postgres", "sqlite"], indirect=True)
def test_what_others_keep_in_a_row_stays_beside_an_index_of_some_rows(
    target: LoaderTarget, make: Make, name: str
) -> None:
    target.init(first := make(revenue(range(9))))
    target.execute(f"ALTER TABLE {target.full_name} ADD COLUMN {name} varchar(20)")
    target.execute(f"CREATE UNIQUE INDEX other ON {target.full_name} (day, revenue) WHERE user_id >= 0")
    target.load(first)
    target.execute(f"UPDATE {target.full_name} SET {name} = 'theirs'")
    loaded = target.load(make(revenue(range(9), cents=lambda user: user + 9000), number=2)).loaded
    assert (loaded.inserted, loaded.updated, loaded.deleted) == (0, 9, 0)
    assert target.query(f"SELECT DISTINCT {name} FROM {target.full_name}") == [("theirs",)]


def test_a_second_unique_key_beside_columns_that_are_not_ours_is_refused(target: LoaderTarget, make: Make) -> None:
    target.init(first := make(revenue(range(9))))
    target.execute(f"CREATE UNIQUE INDEX by_revenue ON {target.full_name} (day, revenue)")
    target.execute(f"ALTER TABLE {target.full_name} ADD COLUMN note varchar(20)")
    with pytest.raises(InputError, match="has a second unique key over values, and columns"):
        target.load(first)


def test_only_the_changed_rows_get_new_versions(postgres_database: str, make: Make) -> None:
    target = LoaderTarget("postgres", postgres_database)
    target.init(first := make(revenue(range(100))))
    target.load(first)
    versions = dict(target.query("SELECT user_id, xmin::text || ctid::text FROM revenue"))
    target.load(make(revenue(range(100), cents=lambda user: user * 37 % 10_000 + (user in (3, 4))), number=2))
    after = dict(target.query("SELECT user_id, xmin::text || ctid::text FROM revenue"))
    assert {user for user in after if after[user] != versions[user]} == {3, 4}


def test_neighbouring_days_are_never_touched(target: LoaderTarget, make: Make) -> None:
    target.init(run := make(revenue(range(30))))
    insert = "INSERT INTO revenue (user_id, day, revenue, purchases) VALUES (1, '{}', '5.00', 1)"
    target.execute(insert.format("2026-11-13"), insert.format("2026-11-15"))
    before = target.state()[0]
    target.load(run)
    target.load(make([], number=2))
    assert target.state()[0] == before


def test_sums_are_exact_at_the_limits_and_beyond_64_bits(target: LoaderTarget, make: Make) -> None:
    most = Decimal("999999999999999999.99")
    rows: list[Row] = [
        {"user_id": n, "revenue": most if n % 3 else -most + Decimal("0.01"), "purchases": 2**62} for n in range(40)
    ]
    target.init(run := make(rows))
    if target.kind != "sqlite":
        narrow = target.pick(postgres="ALTER revenue TYPE numeric(20,2)", mariadb="MODIFY revenue DECIMAL(20,2)")
        target.execute(f"ALTER TABLE revenue {narrow}")
    loaded = target.load(run).loaded
    assert loaded.totals["purchases"] == str(40 * 2**62)
    assert loaded.totals["revenue"] == str(sum(row["revenue"] for row in rows))
    assert target.rows() == expected(run)


def test_rows_that_no_ledger_knows_are_reported_before_they_are_replaced(target: LoaderTarget, make: Make) -> None:
    target.init(run := make(revenue(range(5))))
    target.execute("INSERT INTO revenue (user_id, day, revenue, purchases) VALUES (1, '2026-11-14', '5.00', 1)")
    target.load(run)
    assert any("1 rows that no load of the ledger wrote" in line for line in target.said)
    assert target.rows() == expected(run)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ("UPDATE revenue SET revenue = '77.00' WHERE user_id = 3", "revenue adds up to"),
        ("DELETE FROM revenue WHERE user_id = 3", "4 rows instead of 5"),
    ],
)
def test_a_day_edited_by_hand_is_reported_and_set_right(target: LoaderTarget, make: Make, edit: str, told: str) -> None:
    target.init(run := make(revenue(range(5))))
    target.load(run)
    target.execute(edit)
    target.load(make(run.rows, number=2))
    assert any(told in line and "overwritten" in line for line in target.said)
    assert target.rows() == expected(run)


def test_an_edit_that_keeps_rows_and_sums_is_reported_too(target: LoaderTarget, make: Make) -> None:
    target.init(run := make(revenue(range(1, 5), cents=lambda user: user)))
    target.load(run)
    target.execute(
        "UPDATE revenue SET revenue = '0.03' WHERE user_id = 1", "UPDATE revenue SET revenue = '0.01' WHERE user_id = 3"
    )
    target.load(make(run.rows, number=2))
    assert any("2 are set back" in line for line in target.said)
    assert target.rows() == expected(run)


def test_equal_content_has_one_digest_whatever_database_takes_it(make: Make, request: pytest.FixtureRequest) -> None:
    digests = set()
    for kind in KINDS:
        target = LoaderTarget(kind, request.getfixturevalue(f"{kind}_database"))
        target.init(run := make(revenue(range(200))))
        digests.add(target.load(run).loaded.digest)
    assert len(digests) == 1


def test_two_tables_share_a_ledger_and_nothing_else(target: LoaderTarget, make: Make) -> None:
    target.init(run := make(revenue(range(9))))
    target.load(run)
    before = target.state()[0]
    other = LoaderTarget(target.kind, target.url, table="revenue_2")
    other.init(run)
    other.load(make([], number=2))
    assert target.state()[0] == before
    assert sorted(target.query("SELECT target_table, loaded_rows FROM penstock_ledger")) == [
        ("revenue", 9),
        ("revenue_2", 0),
    ]


def test_a_day_of_many_parts_streams_through(target: LoaderTarget, make: Make) -> None:
    run = make(revenue(range(0, 3_000_000, 997)), shards=16)
    target.init(run)
    target.load(run)
    assert target.rows() == expected_rows(DAY.isoformat(), run.rows)
