"""A fault in a table that is read beside the leading one is said before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from staging.config.file import load_pipeline
from staging.errors import InputError
from tests.staging.config.test_file import COMPLETE

_REFUNDS = """
[source.with.refunds]
table = "refunds"
key = "user_id"
columns = ["amount"]
"""


def _faults_of(path: Path, text: str) -> str:
    path.write_text(COMPLETE + text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_pipeline(path, environ={})
    return str(caught.value)


def test_a_table_beside_has_the_key_columns_it_was_given(tmp_path: Path) -> None:
    path = tmp_path / "daily.toml"
    path.write_text(COMPLETE + _REFUNDS, encoding="utf-8")
    (refunds,) = load_pipeline(path, environ={}).source.with_.values()
    assert (refunds.key_columns, refunds.time, refunds.only_keys) == (("user_id",), None, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (_REFUNDS + _REFUNDS, "refunds"),
        (_REFUNDS.replace("with.refunds", "with.Refunds"), "with.Refunds has no name for a table"),
        (_REFUNDS.replace("with.refunds", "with.rows"), "that the leading table is called by"),
        (_REFUNDS.replace("with.refunds", "with.purchases"), "purchases"),
        (_REFUNDS + 'url = "sqlite:///other.db"\n', "lie in the one database that [source] names"),
        (_REFUNDS.replace('"user_id"', '["shop_id", "user_id"]'), "with.refunds has the key"),
        (_REFUNDS.replace('key = "user_id"\n', ""), "source.with.refunds.key"),
        (_REFUNDS.replace("key =", "keys ="), "source.with.refunds.keys"),
        (_REFUNDS + 'time = "user_id"\n', "user_id is named more than once"),
        (_REFUNDS + 'time = "refunded_at"\nonly_keys = false\n', "only_keys is for a table without time"),
        (_REFUNDS + 'allow_null = ["note"]\n', "allow_null names note"),
    ],
    ids=[
        *("twice", "upper case", "rows", "leading table", "another database", "more key columns", "no key", "a typo"),
        *("time is the key", "all keys of a day", "allow_null of another column"),
    ],
)
def test_what_is_wrong_with_a_table_beside_is_named(tmp_path: Path, text: str, said: str) -> None:
    assert said in _faults_of(tmp_path / "daily.toml", text)
