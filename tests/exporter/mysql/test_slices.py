"""A day read in slices of a real MariaDB and MySQL: what is as in a snapshot, what the seal sees and doesn't."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pymysql
import pytest
import sqlalchemy as sa

from exporter.port.sliced_source import StartOverError
from staging.config.pipeline import Pipeline
from staging.errors import InputError, IntegrityError, UnavailableError
from tests.exporter.days import DAY, Export, committed, pipeline, run_export
from tests.exporter.sliced_reads import After, Between, calm, rows_by_shard
from tests.shop.mysql_words import in_words_of
from tests.shop.purchases import create_purchases

pytestmark = pytest.mark.integration

ROWS = 2000
COLUMNS: dict[str, str | None] = {
    "id": "bigint AUTO_INCREMENT PRIMARY KEY",
    "purchased_at": "datetime(6) NOT NULL",
    "note": "varchar(200)",
}
FILL = f"""
INSERT INTO purchases (user_id, purchased_at, amount, note)
SELECT seq MOD 97, '2026-11-13 23:00' + INTERVAL seq * 86399000000 DIV {ROWS} MICROSECOND, seq / 100,
       CASE seq MOD 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE CONCAT('tab\tand "quotes", ü\n', seq) END
FROM seq_0_to_{ROWS - 1}
"""


class Shop:
    """A table of a day's purchases and a connection of its own to do things to it."""

    def __init__(self, url: str, *, columns: dict[str, str | None] = COLUMNS, fill: str = FILL) -> None:
        self.url = url
        create_purchases(url, columns=columns)
        self.connection = connect(url)
        if fill:
            self.do(fill)
        self.do("ANALYZE TABLE purchases")

    @property
    def is_mysql(self) -> bool:
        """Whether it is Oracle's."""
        return self.url.startswith("mysql")

    def do(self, sql: str) -> list[Any]:
        """Run it, as one who writes."""
        return do(self.connection, sql)

    def settings(self, folder: Path, **export: Any) -> Pipeline:
        """A pipeline in slices, whose pace never waits."""
        made = pipeline(self.url, folder, export={"read": "slices", "shards": 4} | export, columns=["amount", "note"])
        return calm(made)


def connect(url: str) -> Any:
    """Connect by hand, in UTC."""
    parts = sa.make_url(url)
    return pymysql.connect(
        host=parts.host or "",
        port=parts.port or 0,
        user=parts.username,
        password=parts.password or "",
        database=parts.database,
        charset="utf8mb4",
        autocommit=True,
        init_command="SET time_zone = '+00:00'",
    )


def do(connection: Any, sql: str) -> list[Any]:
    """Run statements that are parted by `;;`."""
    with connection.cursor() as cursor:
        for statement in sql.split(";;"):
            cursor.execute(in_words_of(connection.get_server_info(), statement))
        return list(cursor.fetchall())


@pytest.fixture
def shop(mysql_family_database: str) -> Iterator[Shop]:
    made = Shop(mysql_family_database)
    yield made
    made.connection.close()


def test_slices_and_a_snapshot_give_the_samerows_by_shard(shop: Shop, tmp_path: Path) -> None:
    slices = run_export(shop.settings(tmp_path / "slices"))
    snapshot = run_export(shop.settings(tmp_path / "snapshot", read="snapshot"))
    assert slices.manifest["reading"]["mode"] == "slices"
    assert snapshot.manifest["reading"]["mode"] == "snapshot"
    assert rows_by_shard(slices) == rows_by_shard(snapshot)
    assert slices.manifest["sums"] == snapshot.manifest["sums"] == {"amount": "19990.00"}


# --- types -----------------------------------------------------------------------------------------------------------

_TEXTS = (
    '"',
    '""',
    ",.\n",
    '",.\n"',
    "a\\b'c",
    "\r\n",
    "\0",
    "naïve €𝄞\u2028",
    " ",
    "NULL",
    "null",
    "",
    None,
    "x" * 300,
)
TYPES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "amount": ("decimal(10,2) NOT NULL", (Decimal("-0.01"), Decimal("99999999.99"), Decimal("0.00"))),
    "widest": ("decimal(38,10)", (Decimal("1234567890123456789012345678.0123456789"), Decimal("-0.0000000001"), None)),
    "whole": ("decimal(38,0)", (Decimal("9" * 38), None)),
    "tiny": ("tinyint NOT NULL", (-128, 127)),
    "utiny": ("tinyint unsigned NOT NULL", (0, 255)),
    "medium": ("mediumint NOT NULL", (-(2**23), 5)),
    "big": ("bigint NOT NULL", (-(2**63), 2**63 - 1)),
    "ubig": ("bigint unsigned NOT NULL", (0, 2**64 - 1)),
    "filled": ("int(8) unsigned zerofill NOT NULL", (7, 123456789)),
    "bits": ("bit(64) NOT NULL", (b"\xff" * 8, b"\0" * 8)),
    "year": ("year NOT NULL", (1999, 2026)),
    "text": ("varchar(400) CHARACTER SET utf8mb4", _TEXTS),
    "latin": ("varchar(20) CHARACTER SET latin1 NOT NULL", ("éü€", "", '"é')),
    "greek": ("varchar(20) CHARACTER SET greek", ("αβγ", None)),
    "wide_text": ("varchar(20) CHARACTER SET utf16", ("𝄞é", None)),
    "japanese": ("text CHARACTER SET sjis", ("表ソ\\", None)),
    "folded": ("varchar(20) CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci", ("Ärger", None)),
    "fixed": ("char(5)", ("ab", "", None)),
    "long": ("longtext", ("ß" * 70_000, "", None)),
    "bytes": ("varbinary(10)", (b"\x00\xff'", b"", None)),
    "padded": ("binary(4) NOT NULL", (b"ab\0\0", b'",.\n')),
    "blob": ("blob", (b"\xde\xad" * 5000, None)),
    "date": ("date", (date(2026, 2, 28), date(9999, 12, 31), None)),
    "wall": ("datetime(6)", (datetime(2026, 3, 29, 2, 30, 0, 123456), None)),  # noqa: DTZ001 - a wall clock
    "third": ("datetime(3) NOT NULL", (datetime(2026, 3, 29, 2, 30, 0, 120000),)),  # noqa: DTZ001 - a wall clock
    "second": ("datetime", (datetime(1000, 1, 1), None)),  # noqa: DTZ001 - a wall clock
    "instant": ("timestamp(6) NULL", (datetime(2026, 3, 29, 1, 30, 0, 5), None)),  # noqa: DTZ001 - of a session in UTC
    "time": ("time(6)", (timedelta(hours=23, minutes=59, seconds=59, microseconds=999999), None)),
    "short_time": ("time NOT NULL", (timedelta(0),)),
    "mood": ("enum('happy','so so','\"')", ("happy", '"', None)),
    "tags": ("set('x','y')", ("x,y", "", None)),
    "json": ("json", ('{"a": "b,.\\n"}', None)),
    "uuid": ("uuid", ("fe8a6024-357c-477e-8b1a-447d94b663c7", None)),
    "single": ("float", (16777216.0, 0.10000000149011612, -(2.0**-100), None)),
    "double": ("double NOT NULL", (0.1, 1.7976931348623157e308, -5e-324, 12345678901234567.0)),
}


def _wanted(name: str, value: Any) -> Any:
    if value is None:
        return None
    match name:
        case "bits":
            return int.from_bytes(value, "big")
        case "instant":
            return value.replace(tzinfo=UTC)
        case "time" | "short_time":
            return (datetime(1, 1, 1) + value).time()  # noqa: DTZ001 - a wall clock
    return value


@pytest.mark.parametrize("along", ["key", "time"])
def test_every_type_comes_as_it_was_written(mysql_family_database: str, tmp_path: Path, along: str) -> None:
    rng = random.Random(6)
    columns: dict[str, str | None] = {"purchased_at": "datetime(6) NOT NULL", "amount": None}
    columns["id"] = "bigint PRIMARY KEY" if along == "key" else "char(36) PRIMARY KEY"
    columns |= {name: declared for name, (declared, _) in TYPES.items()}
    shop = Shop(mysql_family_database, columns=columns, fill="")
    written = []
    with shop.connection.cursor() as cursor:
        for n in range(120):
            row = {name: rng.choice(values) for name, (_, values) in TYPES.items()}
            at = datetime(2026, 11, 14, 5) + timedelta(seconds=n)  # noqa: DTZ001 - a wall clock
            cursor.execute(
                f"INSERT INTO purchases VALUES ({', '.join(['%s'] * (3 + len(row)))})", (n, n, at, *row.values())
            )
            written.append({"user_id": n} | {name: _wanted(name, value) for name, value in row.items()})
    made = pipeline(
        shop.url,
        tmp_path,
        export={"read": "slices", "shards": 3},
        columns=list(TYPES),
        allow_float=True,
        timezone="UTC",
    )
    export = run_export(calm(made))
    assert f"along {along}" in export.manifest["source"]["evidence"]["slices"]
    read = sorted(export.rows(), key=lambda row: row["user_id"])
    for name in ("user_id", *TYPES):
        assert [row[name] for row in read] == [row[name] for row in written], name
    in_snapshot = pipeline(
        shop.url, tmp_path / "snapshot", export={"shards": 3}, columns=list(TYPES), allow_float=True, timezone="UTC"
    )
    snapshot = run_export(in_snapshot)
    assert [c["dtype"] for c in export.manifest["columns"]] == [c["dtype"] for c in snapshot.manifest["columns"]]
    assert sorted(read, key=str) == sorted(snapshot.rows(), key=str)


@pytest.mark.parametrize("value", ["0000-00-00 00:00:00", "2026-00-15 00:00:00"])
def test_a_date_with_zeros_is_refused_by_its_column(mysql_family_database: str, tmp_path: Path, value: str) -> None:
    shop = Shop(mysql_family_database)
    shop.do(
        f"SET sql_mode = '';; ALTER TABLE purchases ADD paid_at datetime;; UPDATE purchases SET paid_at = '{value}'"
    )
    made = pipeline(shop.url, tmp_path, export={"read": "slices"}, columns=["paid_at"])
    with pytest.raises(InputError, match="paid_at"):
        run_export(calm(made))
    assert committed(tmp_path) == []


def test_a_session_of_other_settings_reads_the_same(shop: Shop, tmp_path: Path) -> None:
    before = shop.do("SELECT @@GLOBAL.sql_mode, @@GLOBAL.group_concat_max_len")[0]
    plain = run_export(shop.settings(tmp_path / "plain"))
    shop.do("SET GLOBAL sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,PAD_CHAR_TO_FULL_LENGTH'")
    shop.do("SET GLOBAL group_concat_max_len = 4")
    try:
        odd = run_export(shop.settings(tmp_path / "odd"))
    finally:
        shop.do(f"SET GLOBAL sql_mode = '{before[0]}';; SET GLOBAL group_concat_max_len = {before[1]}")
    assert rows_by_shard(plain) == rows_by_shard(odd)


def test_a_slice_that_does_not_fit_into_a_packet_is_read_in_shorter_ones(shop: Shop, tmp_path: Path) -> None:
    shop.do("ALTER TABLE purchases MODIFY id varchar(40)")  # so that it is read along the time
    before = shop.do("SELECT @@GLOBAL.max_allowed_packet")[0][0]
    shop.do("SET GLOBAL max_allowed_packet = 4096")
    try:
        export = run_export(shop.settings(tmp_path, slice_milliseconds=1000))
    finally:
        shop.do(f"SET GLOBAL max_allowed_packet = {before}")
    assert export.manifest["rows"] == ROWS
    assert int(export.manifest["source"]["evidence"]["slices_repeated"]) > 0


# --- the axis --------------------------------------------------------------------------------------------------------


def test_keys_that_rise_with_time_are_read_along(shop: Shop, tmp_path: Path) -> None:
    """Of ten days only the keys of one are looked at."""
    shop.do(
        "INSERT INTO purchases (user_id, purchased_at, amount) "
        "SELECT 1, '2026-11-15' + INTERVAL seq MINUTE, 1 FROM seq_0_to_19999;; ANALYZE TABLE purchases"
    )
    manifest = run_export(shop.settings(tmp_path)).manifest
    assert "along key `id`" in manifest["source"]["evidence"]["slices"]
    assert "looks for rows of the window outside" in manifest["source"]["evidence"]["slices"]
    assert manifest["rows"] == ROWS


@pytest.mark.parametrize("read", ["slices", "snapshot"])
@pytest.mark.parametrize("key", [-7, 10_000_000])
def test_a_row_whose_key_lies_far_from_those_of_its_neighbours_is_read(
    shop: Shop, tmp_path: Path, read: str, key: int
) -> None:
    """Neither the first nor the last rows of the day tell of it, and the day is a small part of the table."""
    shop.do(
        "INSERT INTO purchases (user_id, purchased_at, amount) "
        "SELECT 1, '2026-11-15' + INTERVAL seq MINUTE, 1 FROM seq_0_to_19999"
        f";; INSERT INTO purchases (id, user_id, purchased_at, amount) VALUES ({key}, 4711, '2026-11-14 05:00', 1)"
        ";; ANALYZE TABLE purchases"
    )
    export = run_export(shop.settings(tmp_path, read=read))
    assert export.manifest["rows"] == ROWS + 1
    assert 4711 in {row["user_id"] for row in export.rows()}


def test_keys_that_are_strewn_are_not_read_along(mysql_family_database: str, tmp_path: Path) -> None:
    shop = Shop(mysql_family_database, fill="")
    shop.do(
        "INSERT INTO purchases (id, user_id, purchased_at, amount) "
        "SELECT 1 + seq * 7919 MOD 20000, 1, '2026-11-01' + INTERVAL seq * 90 SECOND, 1 FROM seq_0_to_19999"
        ";; ANALYZE TABLE purchases"
    )
    ((rows,),) = shop.do(
        "SELECT COUNT(*) FROM purchases WHERE purchased_at >= '2026-11-13 23:00' AND purchased_at < '2026-11-14 23:00'"
    )
    manifest = run_export(shop.settings(tmp_path)).manifest
    assert "along time" in manifest["source"]["evidence"]["slices"]
    assert manifest["rows"] == rows > 0


@pytest.mark.parametrize("key", [1, 10_000_000])
@pytest.mark.parametrize("is_small_part", [True, False])
def test_a_row_with_a_key_outside_of_the_range_is_found(
    shop: Shop, tmp_path: Path, key: int, *, is_small_part: bool
) -> None:
    shop.do("UPDATE purchases SET id = id + 100000 ORDER BY id DESC")
    if is_small_part:
        shop.do(
            "INSERT INTO purchases (id, user_id, purchased_at, amount) "
            "SELECT 200000 + seq, 1, '2026-11-15' + INTERVAL seq MINUTE, 1 FROM seq_0_to_19999"
            ";; ANALYZE TABLE purchases"
        )
    late = f"INSERT INTO purchases (id, user_id, purchased_at, amount) VALUES ({key}, 1, '2026-11-14 05:00', 1000000)"
    between = Between(-1, lambda: shop.do(late))
    export = run_export(shop.settings(tmp_path), opener=between)
    assert between.begun == 2
    assert export.manifest["rows"] == ROWS + 1


def test_a_day_by_date_is_read_along_the_primary_key(mysql_family_database: str, tmp_path: Path) -> None:
    shop = Shop(mysql_family_database, columns=COLUMNS | {"purchased_at": "date NOT NULL"})
    manifest = run_export(shop.settings(tmp_path)).manifest
    ((rows,),) = shop.do("SELECT COUNT(*) FROM purchases WHERE purchased_at = '2026-11-14'")
    assert manifest["rows"] == rows > 0
    assert "along key" in manifest["source"]["evidence"]["slices"]


@pytest.mark.parametrize(
    ("ddl", "says"),
    [
        ("ALTER TABLE purchases ENGINE = MyISAM", "MyISAM"),
        ("RENAME TABLE purchases TO base;; CREATE VIEW purchases AS SELECT * FROM base", "a view"),
        (
            "DROP INDEX by_time ON purchases;; ALTER TABLE purchases MODIFY id varchar(40)",
            "there is no integer primary key",
        ),
    ],
)
def test_what_can_not_be_read_in_slices_is_refused_by_its_reason(
    shop: Shop, tmp_path: Path, ddl: str, says: str
) -> None:
    shop.do(ddl)
    with pytest.raises(InputError, match="can't be read in slices") as caught:
        run_export(shop.settings(tmp_path))
    assert says in caught.value.why
    assert committed(tmp_path) == []


@pytest.mark.parametrize(
    "where",
    [
        "user_id IN (SELECT user_id FROM (SELECT user_id FROM purchases) AS p)",
        "purchased_at < NOW()",
        "purchased_at < CURRENT_TIMESTAMP",
        "RAND() < 2",
    ],
)
def test_a_condition_that_asks_for_more_than_its_row_is_sealed_where_it_chose_the_same_rows(
    shop: Shop, tmp_path: Path, where: str
) -> None:
    ((rows,),) = shop.do("SELECT COUNT(*) FROM purchases")
    assert (
        run_export(calm(pipeline(shop.url, tmp_path, export={"read": "slices"}, where=where))).manifest["rows"] == rows
    )


def test_a_condition_that_chose_others_than_at_the_seal_makes_the_read_start_over(shop: Shop, tmp_path: Path) -> None:
    """A table that is asked besides holds as many rows all the time, and as many of the day are chosen."""
    shop.do("CREATE TABLE chosen AS SELECT id FROM purchases ORDER BY id LIMIT 5")
    others = "INSERT INTO chosen SELECT id FROM purchases ORDER BY id DESC LIMIT 5"
    between = Between(1, lambda: (shop.do("DELETE FROM chosen"), shop.do(others)))
    made = pipeline(shop.url, tmp_path, export={"read": "slices"}, where="id IN (SELECT id FROM chosen)")
    export = run_export(calm(made), opener=between)
    ((amount,),) = shop.do("SELECT SUM(amount) FROM purchases WHERE id IN (SELECT id FROM chosen)")
    assert between.begun == 2
    assert export.manifest["sums"] == {"amount": str(amount)}


def test_a_condition_that_is_chance_is_never_sealed(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(StartOverError):
        run_export(calm(pipeline(shop.url, tmp_path, export={"read": "slices"}, where="RAND() < 0.5")))
    assert committed(tmp_path) == []


def test_a_condition_on_the_row_alone_is_sealed(shop: Shop, tmp_path: Path) -> None:
    made = pipeline(shop.url, tmp_path, export={"read": "slices"}, where="user_id < 50 AND COALESCE(note, '') <> ''")
    ((rows,),) = shop.do("SELECT COUNT(*) FROM purchases WHERE user_id < 50 AND COALESCE(note, '') <> ''")
    between = Between(-1, lambda: shop.do("UPDATE purchases SET user_id = 3 WHERE id = 3"))
    assert run_export(calm(made), opener=between).manifest["rows"] == rows


@pytest.mark.parametrize("method", ["describe", "estimate", "plan_axis", "begin_seal"])
def test_digits_that_a_column_gets_after_it_was_described_are_never_cut(
    shop: Shop, tmp_path: Path, method: str
) -> None:
    def alter() -> None:
        shop.do("ALTER TABLE purchases MODIFY amount decimal(14,4) NOT NULL")
        shop.do("UPDATE purchases SET amount = amount + 0.0049")

    with pytest.raises(IntegrityError, match="was changed while it was read") as caught:
        run_export(shop.settings(tmp_path), opener=After(method, alter))
    assert "columns" in caught.value.why
    assert committed(tmp_path) == []


def test_a_prepared_transaction_has_no_known_beginning(shop: Shop, tmp_path: Path) -> None:
    """It was prepared long after the day and its grace, by a session that is still there."""
    prepared = connect(shop.url)
    do(
        prepared,
        "XA START 'since when?';; INSERT INTO purchases (user_id, purchased_at, amount) VALUES (1, '2026-01-01', 1)",
    )
    do(prepared, "XA END 'since when?';; XA PREPARE 'since when?'")
    with pytest.raises(UnavailableError, match="not over") as caught:
        run_export(shop.settings(tmp_path))
    assert "'since when?'" in caught.value.why
    do(prepared, "XA ROLLBACK 'since when?'")
    prepared.close()
    run_export(shop.settings(tmp_path))


def test_an_empty_day_is_sealed(shop: Shop, tmp_path: Path) -> None:
    assert run_export(shop.settings(tmp_path), day=date(2026, 10, 1)).manifest["rows"] == 0


# --- the seal --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [
        "INSERT INTO purchases (user_id, purchased_at, amount) VALUES (1, '2026-11-13 23:00:01', 5)",
        "DELETE FROM purchases WHERE id = 1",
        "UPDATE purchases SET amount = amount + 1 WHERE id = 1",
        "UPDATE purchases SET purchased_at = purchased_at + INTERVAL 20 HOUR WHERE id = 1",
        "UPDATE purchases SET amount = IF(id = 5, 0.05, 0.04) WHERE id IN (5, 6)",
        "UPDATE purchases SET note = NULL WHERE note = '' LIMIT 1",
        "UPDATE purchases SET user_id = 1 - user_id WHERE id IN (1, 2)",
    ],
)
def test_a_write_during_the_read_makes_it_start_over(shop: Shop, tmp_path: Path, write: str) -> None:
    between = Between(-1, lambda: shop.do(write))
    export = run_export(shop.settings(tmp_path), opener=between)
    assert between.begun == 2
    ((rows, amount),) = shop.do(
        "SELECT count(*), sum(amount) FROM purchases "
        "WHERE purchased_at >= '2026-11-13 23:00' AND purchased_at < '2026-11-14 23:00'"
    )
    assert (export.manifest["rows"], Decimal(export.manifest["sums"]["amount"])) == (rows, amount)


def test_a_day_that_changes_during_each_read_is_given_up_after_three(shop: Shop, tmp_path: Path) -> None:
    between = Between(-1, lambda: shop.do("UPDATE purchases SET amount = amount + 1 WHERE id < 4"), reads=99)
    with pytest.raises(StartOverError, match="at least 1 row differs") as caught:
        run_export(shop.settings(tmp_path), opener=between)
    assert between.begun == 3
    assert caught.value.exit_code == 20
    assert committed(tmp_path) == []


def test_an_insert_from_before_the_read_that_commits_late_is_in_the_export(shop: Shop, tmp_path: Path) -> None:
    late = connect(shop.url)
    do(late, "BEGIN;; INSERT INTO purchases (user_id, purchased_at, amount) VALUES (7, '2026-11-13 23:00:00.5', 1000)")
    between = Between(-1, late.commit)
    settings = shop.settings(tmp_path)
    export = run_export(settings, opener=between)
    late.close()
    assert between.begun == 2
    assert export.manifest["rows"] == ROWS + 1


@pytest.mark.parametrize(
    "harmless",
    [
        "BEGIN;; SELECT * FROM purchases WHERE id < 100 FOR UPDATE;; COMMIT",
        "ANALYZE TABLE purchases",
        "CREATE INDEX by_user ON purchases (user_id)",
        "INSERT INTO purchases (user_id, purchased_at, amount) VALUES (1, '2026-11-20', 1)",
        "UPDATE purchases SET amount = amount WHERE id = 1",
        "CREATE TABLE other LIKE purchases",
    ],
)
def test_what_leaves_the_days_rows_alone_is_no_alarm(shop: Shop, tmp_path: Path, harmless: str) -> None:
    between = Between(2, lambda: shop.do(harmless))
    assert run_export(shop.settings(tmp_path), opener=between).manifest["rows"] == ROWS
    assert between.begun == 1


@pytest.mark.parametrize("ddl", ["ADD COLUMN more int", "ADD COLUMN more int NOT NULL DEFAULT 7 AFTER user_id"])
@pytest.mark.parametrize("at", [0, 2, -1])
def test_a_column_that_is_added_without_a_copy_of_the_table_makes_it_start_over(
    shop: Shop, tmp_path: Path, ddl: str, at: int
) -> None:
    between = Between(at, lambda: shop.do(f"ALTER TABLE purchases {ddl}, ALGORITHM=INSTANT"))
    manifest = run_export(shop.settings(tmp_path), opener=between).manifest
    assert (manifest["rows"], between.begun) == (ROWS, 2)
    assert "more" not in [column["name"] for column in manifest["columns"]]


_SWAP = "CREATE TABLE twin LIKE purchases;; RENAME TABLE purchases TO purchases_old, twin TO purchases"


@pytest.mark.parametrize(
    ("ddl", "says"),
    [
        ("ALTER TABLE purchases DROP COLUMN note", "columns"),
        ("ALTER TABLE purchases MODIFY amount decimal(14,3) NOT NULL", "columns"),
        ("ALTER TABLE purchases CHANGE note remark varchar(200)", "columns"),
        ("TRUNCATE purchases", "emptied"),
        ("ALTER TABLE purchases FORCE", "rewritten"),
        ("DROP TABLE purchases", "can't be looked at"),
        ("RENAME TABLE purchases TO purchases_old", "can't be looked at"),
        (_SWAP, "swapped"),
    ],
)
@pytest.mark.parametrize("at", [2, -1])
def test_a_table_that_is_changed_during_the_read_is_an_error_of_its_own(
    shop: Shop, tmp_path: Path, ddl: str, says: str, at: int
) -> None:
    with pytest.raises(IntegrityError, match="was changed while it was read") as caught:
        run_export(shop.settings(tmp_path), opener=Between(at, lambda: shop.do(ddl)))
    assert says in caught.value.why
    assert committed(tmp_path) == []


# --- the day is over -------------------------------------------------------------------------------------------------


@contextmanager
def _reader(shop: Shop, *rights: str) -> Iterator[str]:
    """The URL of a user who may read the table and has these rights besides."""
    ((database,),) = shop.do("SELECT DATABASE()")
    user = f"reader_{database}"[:32]
    shop.do(f"CREATE USER '{user}'@'%' IDENTIFIED BY 'x';; GRANT SELECT ON purchases TO '{user}'@'%'")
    for right in rights:
        shop.do(f"GRANT {right} ON *.* TO '{user}'@'%'")
    try:
        yield sa.make_url(shop.url).set(username=user, password="x").render_as_string(hide_password=False)
    finally:
        shop.do(f"DROP USER '{user}'@'%'")


def _yesterday() -> date:
    return datetime.now(UTC).date() - timedelta(days=1)


def _in_utc(url: str, folder: Path, grace_seconds: int) -> Pipeline:
    export = {"read": "slices", "shards": 2, "grace_seconds": grace_seconds}
    return calm(pipeline(url, folder, export=export, timezone="UTC"))


def _export_yesterday(settings: Pipeline, day: date) -> Export:
    return run_export(settings, day=day, now=datetime.now(UTC) + timedelta(days=2))


def _grace_until_now(slack_seconds: int) -> int:
    midnight = datetime.combine(_yesterday() + timedelta(days=1), time(0), UTC)
    return int((datetime.now(UTC) - midnight).total_seconds()) - slack_seconds


def test_a_transaction_from_before_the_days_end_keeps_it_from_being_read(shop: Shop, tmp_path: Path) -> None:
    """The grace is chosen so that the day counts as over just after that transaction began."""
    old = connect(shop.url)
    do(old, "BEGIN;; SELECT * FROM purchases LIMIT 1")
    shop.do("SELECT SLEEP(4)")
    settings = _in_utc(shop.url, tmp_path, _grace_until_now(1))
    with pytest.raises(UnavailableError, match="not over") as caught:
        _export_yesterday(settings, _yesterday())
    assert "still open" in caught.value.why
    old.close()
    _export_yesterday(settings, _yesterday())


def test_a_prepared_transaction_keeps_the_day_from_being_read(shop: Shop, tmp_path: Path) -> None:
    prepared = connect(shop.url)
    do(prepared, "XA START 'waits';; INSERT INTO purchases (user_id, purchased_at, amount) VALUES (1, '2026-01-01', 1)")
    do(prepared, "XA END 'waits';; XA PREPARE 'waits'")
    prepared.close()
    shop.do("SELECT SLEEP(4)")
    settings = _in_utc(shop.url, tmp_path / "all", _grace_until_now(1))
    try:
        with pytest.raises(UnavailableError, match="not over"):
            _export_yesterday(settings, _yesterday())
        # Without PROCESS it is another right that shows them: https://dev.mysql.com/doc/refman/8.0/en/xa-statements.html
        rights = ["XA_RECOVER_ADMIN"] if shop.is_mysql else []
        with _reader(shop, *rights) as url, pytest.raises(UnavailableError, match="not over") as caught:
            _export_yesterday(_in_utc(url, tmp_path / "few", 0), _yesterday())
        assert "XA RECOVER" in caught.value.why
    finally:
        shop.do("XA ROLLBACK 'waits'")
    _export_yesterday(settings, _yesterday())


def test_a_day_that_is_not_over_by_the_databases_clock_is_refused(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="not over") as caught:
        _export_yesterday(_in_utc(shop.url, tmp_path, 0), datetime.now(UTC).date())
    assert "clock says" in caught.value.why


def test_without_the_right_to_see_others_the_grace_is_longer_and_the_manifest_says_so(
    shop: Shop, tmp_path: Path
) -> None:
    with _reader(shop) as url:
        weak = _export_yesterday(_in_utc(url, tmp_path / "weak", 0), _yesterday())
        assert "GRANT PROCESS" in weak.manifest["source"]["evidence"]["closed"]
        with pytest.raises(UnavailableError, match="not over"):
            _export_yesterday(_in_utc(url, tmp_path / "early", _grace_until_now(1)), _yesterday())
    with _reader(shop, "PROCESS") as url:
        sure = _export_yesterday(_in_utc(url, tmp_path / "sure", 0), _yesterday())
    assert "no transaction from before is open" in sure.manifest["source"]["evidence"]["closed"]


def test_without_the_right_a_table_that_was_emptied_or_rebuilt_is_never_a_wrong_export(
    shop: Shop, tmp_path: Path
) -> None:
    with _reader(shop) as url:
        made = calm(pipeline(url, tmp_path / "emptied", export={"read": "slices"}))
        between = Between(2, lambda: shop.do("ALTER TABLE purchases FORCE"))
        assert run_export(made, opener=between).manifest["rows"] == ROWS
        with pytest.raises(IntegrityError, match="was changed while it was read"):
            run_export(
                calm(pipeline(url, tmp_path / "swapped", export={"read": "slices"})),
                opener=Between(2, lambda: shop.do("TRUNCATE purchases")),
            )


def test_nothing_is_open_between_slices(shop: Shop, tmp_path: Path) -> None:
    seen: list[Any] = []

    def look() -> None:
        shop.do("SELECT SLEEP(0.3)")  # the list of transactions is as old as that
        seen.extend(shop.do("SELECT trx_mysql_thread_id FROM information_schema.innodb_trx"))
        seen.extend(
            shop.do(
                "SELECT info FROM information_schema.processlist "
                "WHERE db = DATABASE() AND id <> CONNECTION_ID() AND command <> 'Sleep'"
            )
        )

    run_export(shop.settings(tmp_path), opener=Between(3, look))
    assert seen == []


def test_the_manifest_tells_how_the_day_was_read(shop: Shop, tmp_path: Path) -> None:
    manifest = run_export(shop.settings(tmp_path), day=DAY).manifest
    evidence = manifest["source"]["evidence"]
    assert "2000 rows, checksum" in evidence["sealed"]
    assert "no transaction from before is open" in evidence["closed"]
    assert evidence["gtid_executed" if shop.is_mysql else "binlog_snapshot_file"]
    assert datetime.fromisoformat(manifest["as_of"]) > datetime.now(UTC) - timedelta(minutes=1)


def test_the_logs_position_is_made_a_gtid_only_where_little_of_the_log_must_be_read(
    mariadb_database: str, tmp_path: Path
) -> None:
    shop = Shop(mariadb_database)  # MySQL tells its GTIDs at once
    shop.do("FLUSH BINARY LOGS")
    near = run_export(shop.settings(tmp_path / "near")).manifest["source"]["evidence"]
    assert near["gtid"]
    shop.do(
        "INSERT INTO purchases (user_id, purchased_at, amount, note) "
        "SELECT 1, '2026-11-20', 1, REPEAT('x', 200) FROM seq_1_to_45000"
    )
    far = run_export(shop.settings(tmp_path / "far")).manifest["source"]["evidence"]
    assert int(far["binlog_snapshot_position"]) > 8 * 1024 * 1024
    assert "gtid" not in far
