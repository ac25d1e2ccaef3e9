"""`process.sql`: a query in the pipeline file, or a file beside it that is read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from staging.config.file import load_pipeline
from staging.errors import InputError

FILE = """\
name = "spent"
[source]
url = "sqlite:///shop.db"
table = "purchases"
key = "user_id"
time = "at"
columns = ["amount"]
timezone = "UTC"
[target]
url = "sqlite:///shop.db"
table = "spent"
[staging]
url = "file:///tmp/staging"
[process]
"""
SQL = "SELECT user_id, SUM(amount) AS spent FROM rows GROUP BY user_id"


def write(folder: Path, process: str) -> Path:
    path = folder / "spent.toml"
    path.write_text(FILE + process)
    return path


def test_a_file_beside_the_pipeline_file_is_read_into_it(tmp_path: Path) -> None:
    (tmp_path / "own.sql").write_text(SQL)
    config = write(tmp_path, 'sql = "own.sql"\nconserves = { spent = "amount" }\n')
    process = load_pipeline(config, environ={}).process
    assert (process.sql, process.conserves) == (SQL, {"spent": "amount"})


def test_a_query_is_taken_as_it_is_and_comes_by_flag_and_variable(tmp_path: Path) -> None:
    config = write(tmp_path, f'sql = "{SQL}"\n')
    assert load_pipeline(config, environ={}).process.sql == SQL
    (tmp_path / "other.sql").write_text("SELECT 1")
    assert load_pipeline(config, environ={}, overrides=["process.sql=other.sql"]).process.sql == "SELECT 1"
    assert load_pipeline(config, environ={"PENSTOCK_PROCESS__SQL": "other.sql"}).process.sql == "SELECT 1"


@pytest.mark.parametrize(
    ("process", "told"),
    [
        ('sql = "gone.sql"', "there is no file gone.sql in"),
        ('sql = "latin.sql"', "can't be read as UTF-8"),
        (f'sql = "{SQL}"\ntransform = "own:chosen"', "both transform and sql"),
        ('conserves = { spent = "amount" }', "conserves is for sql"),
        ("sql = 3", "process.sql"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_read(tmp_path: Path, process: str, told: str) -> None:
    (tmp_path / "latin.sql").write_bytes("SELECT 'ü'".encode("latin-1"))
    with pytest.raises(InputError) as caught:
        load_pipeline(write(tmp_path, process), environ={})
    assert told in str(caught.value)
