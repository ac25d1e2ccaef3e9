"""A day read in slices of MariaDB and MySQL: what is their own; tests/conformance/source has what all servers share."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from staging.config.pipeline import Pipeline
from staging.errors import InputError, IntegrityError, UnavailableError
from tests.conformance.source.mysql_family_shop import MysqlFamilyShop as Shop
from tests.conformance.source.sliced_shop import ROWS
from tests.exporter.days import DAY, Export, committed, pipeline, run_export
from tests.exporter.sliced_reads import Between, calm, rows_by_shard

pytestmark = pytest.mark.integration


@pytest.fixture
def shop(mysql_family_database: str) -> Iterator[Shop]:
    made = Shop(mysql_family_database)
    yield made
    made.close()


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
    shop = Shop(mysql_family_database, columns=columns, filled=False)
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
    shop = Shop(mysql_family_database, filled=False)
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
    shop = Shop(mysql_family_database, columns={**Shop.COLUMNS, "purchased_at": "date NOT NULL"})
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


# --- the seal --------------------------------------------------------------------------------------------------------


# --- the day is over -------------------------------------------------------------------------------------------------


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


def test_a_prepared_transaction_is_seen_without_the_right_to_see_others(shop: Shop, tmp_path: Path) -> None:
    """MySQL shows them by a right of its own: https://dev.mysql.com/doc/refman/8.0/en/xa-statements.html"""
    rights = ["XA_RECOVER_ADMIN"] if shop.is_mysql else []
    with shop.prepared("waits"), shop.account(*rights) as url:
        with pytest.raises(UnavailableError, match="not over") as caught:
            _export_yesterday(_in_utc(url, tmp_path, 0), _yesterday())
        assert "XA RECOVER" in caught.value.why


def test_without_the_right_to_see_others_the_grace_is_longer_and_the_manifest_says_so(
    shop: Shop, tmp_path: Path
) -> None:
    with shop.account() as url:
        weak = _export_yesterday(_in_utc(url, tmp_path / "weak", 0), _yesterday())
        assert "GRANT PROCESS" in weak.manifest["source"]["evidence"]["closed"]
        with pytest.raises(UnavailableError, match="not over"):
            _export_yesterday(_in_utc(url, tmp_path / "early", _grace_until_now(1)), _yesterday())
    with shop.account("PROCESS") as url:
        sure = _export_yesterday(_in_utc(url, tmp_path / "sure", 0), _yesterday())
    assert "no transaction from before is open" in sure.manifest["source"]["evidence"]["closed"]


def test_without_the_right_a_table_that_was_emptied_or_rebuilt_is_never_a_wrong_export(
    shop: Shop, tmp_path: Path
) -> None:
    with shop.account() as url:
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
