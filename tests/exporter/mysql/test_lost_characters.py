"""Bytes of a text that stand for no character end an export: they would be '?', and two customers one."""

from __future__ import annotations

from pathlib import Path

import pytest

from staging.errors import InputError
from tests.exporter.days import pipeline, run_export
from tests.exporter.sliced_reads import calm
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

READS = ("snapshot", "slices")
KEPT = {
    "cp1251": "Что? Ё",
    "ascii": "what?",
    "greek": "Ωψ?",
    "gbk": "汉字?",
    "sjis": "C:\\日本?",
    "gb18030": "\U00020000?",
    "ucs2": "Ω?",
    "armscii8": "Հ()?",
}
LOST = {"cp1251": "98", "hebrew": "BF", "tis620": "DB", "gbk": "FEFE"}
LOST_BY = {"mysql": LOST | {"ucs2": "D800"}, "mariadb": LOST | {"ascii": "E9"}}
INVALID = {"utf8mb3": "EDA080", "utf8mb4": "EDA080", "utf32": "0000D800"}


def _text_of(charset: str) -> str:
    return f"varchar(40) CHARACTER SET {charset} COLLATE {charset}_bin"


@pytest.mark.parametrize("read", READS)
def test_texts_of_whole_characters_come_as_they_are(mysql_family_database: str, tmp_path: Path, read: str) -> None:
    kept = dict(KEPT)
    if Database(mysql_family_database).execute("SELECT VERSION() LIKE '%MariaDB%'") == [(1,)]:
        del kept["gb18030"]  # MySQL's alone
    names = [f"in_{charset}" for charset in kept]
    nothing = [None] * len(kept)
    columns = {"purchased_at": "datetime NOT NULL"} | {f"in_{charset}": _text_of(charset) for charset in kept}
    rows = [(1, 1, "2026-11-14 12:00", 1, *kept.values()), (2, 2, "2026-11-14 13:00", 1, *nothing)]
    create_purchases(mysql_family_database, rows, columns=columns)
    made = pipeline(mysql_family_database, tmp_path, export={"read": read}, columns=names)
    found = {row["user_id"]: [row[name] for name in names] for row in run_export(calm(made)).rows()}
    assert found == {1: list(kept.values()), 2: nothing}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("place", ["note", "user_id"])
def test_bytes_that_would_become_a_question_mark_are_refused_by_their_column(
    mysql_family_database: str, tmp_path: Path, place: str, read: str
) -> None:
    database = Database(mysql_family_database)
    (is_mariadb,) = database.execute("SELECT VERSION() LIKE '%MariaDB%'")[0]
    for charset, code in LOST_BY["mariadb" if is_mariadb else "mysql"].items():
        database.execute("DROP TABLE IF EXISTS purchases")
        columns = {"purchased_at": "datetime NOT NULL", "note": "int", place: f"{_text_of(charset)} NOT NULL"}
        create_purchases(database, columns=columns)
        value = {"user_id": "1", "note": "1", place: f"X'{code}'"}
        database.execute(
            f"INSERT INTO purchases VALUES (1, {value['user_id']}, '2026-11-14 12:00', 1, {value['note']})"
        )
        made = pipeline(mysql_family_database, tmp_path / charset, export={"read": read}, columns=["amount", "note"])
        with pytest.raises(InputError, match=f"`{place}` can't be carried"):
            run_export(calm(made))


@pytest.mark.parametrize(("read", "more"), [("snapshot", ""), *((each, ", PRIMARY KEY (id)") for each in READS)])
def test_half_a_surrogate_pair_which_mariadb_takes_for_a_character_is_refused(
    mariadb_database: str, tmp_path: Path, more: str, read: str
) -> None:
    """Without an index the rows come one by one."""
    database = Database(mariadb_database)
    for charset, code in INVALID.items():
        database.execute("DROP TABLE IF EXISTS purchases")
        columns = {"id": "bigint NOT NULL", "purchased_at": "datetime NOT NULL", "note": _text_of(charset)}
        create_purchases(database, columns=columns, more=more, index=bool(more))
        database.execute(f"INSERT INTO purchases VALUES (1, 1, '2026-11-14 12:00', 1, X'{code}')")
        export = {"read": read, "allow_full_scan": True}
        made = pipeline(mariadb_database, tmp_path / charset, export=export, columns=["amount", "note"])
        with pytest.raises(InputError, match="eda080"):
            run_export(calm(made))
