"""Whatever a user's code does wrong ends as an error that names the module, the reason, the line and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from staging.errors import InputError
from tests.processor.runs import Runs
from tests.processor.test_contract import CONTRACT, answer
from tests.shop.hand_made_export import HandMade, purchases, put_in_folder

GOOD = "grouped(rows)"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.chdir(tmp_path)
    runs = Runs((tmp_path / "staging").as_uri(), tmp_path)
    HandMade(put_in_folder(runs.stored()), purchases(300), shards=2).commit()
    return runs


def refused(runs: Runs) -> str:
    with pytest.raises(InputError) as error:
        runs.process()
    assert runs.written() == {}
    assert error.value.fix
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("nowhere:transform", "", ["no module 'nowhere'", "nowhere:transform"]),
        ("mine.inner:transform", "", ["no module 'mine.inner'"]),
        ("mine:transfrom", answer(GOOD), ["module mine has no 'transfrom'", "did you mean mine:transform"]),
        ("mine:apply", answer(GOOD), ["mine:apply is no transform", "function", "Transform(contract="]),
        ("mine:MONEY", answer(GOOD), ["mine:MONEY is no transform"]),
        ("mine:transform", "import not_there_at_all", ["can't be imported", "not_there_at_all", "mine.py:3"]),
        ("mine:transform", "def f(:", ["can't be imported", "SyntaxError"]),
        ("mine:transform", "1 / 0", ["can't be imported", "ZeroDivisionError: division by zero", "mine.py:3", "1 / 0"]),
        ("mine:transform", "import sys\nsys.exit(0)", ["can't be imported", "SystemExit"]),
    ],
)
def test_a_transform_that_can_not_be_had_is_named(runs: Runs, name: str, text: str, named: list[str]) -> None:
    runs.module(text)
    runs.transform = name
    told = refused(runs).replace("Did", "did")
    assert all(part in told for part in named), told


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("raise ValueError('no such currency')", ["raised", "ValueError: no such currency", "in apply"]),
        ("return None", ["no LazyFrame for its output", "NoneType"]),
        ("return pl.DataFrame({'user_id': [1]})", ["no LazyFrame for its output", "DataFrame"]),
        ("return rows.collect()", ["runs the frame itself"]),
        ("return grouped(rows).collect().lazy()", ["runs the frame itself"]),
        ("rows.sink_parquet('never.parquet')", ["runs the frame itself"]),
        ("rows.collect(engine='streaming')", ["runs the frame itself"]),
        ("pl.collect_all([rows, grouped(rows)])", ["runs the frame itself"]),
        ("return rows.select('amuont')", ["planned an impossible output", "ColumnNotFoundError", "amuont"]),
        ("return open('/nowhere/prices.csv')", ["raised", "FileNotFoundError", "/nowhere/prices.csv"]),
        ("raise pl.exceptions.PanicException('boom')", ["raised", "polars panicked: boom"]),
        ("import sys; sys.exit(3)", ["raised", "SystemExit: 3"]),
        ("raise KeyboardInterrupt", ["raised", "KeyboardInterrupt"]),
        ("raise GeneratorExit", ["raised", "GeneratorExit"]),
    ],
)
def test_what_the_function_does_wrong_is_named(
    runs: Runs, body: str, named: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # one of them writes where it stands
    runs.module(f"{CONTRACT}\ndef apply(rows, day):\n    {body}\ntransform = Transform(contract, apply)\n")
    told = refused(runs)
    assert all(part in told for part in ("mine:transform", *named)), told


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("grouped(rows.with_columns(pl.col('amount').cast(pl.Decimal(4, 2))))", ["failed while it ran", "conversion"]),
        ("grouped(rows.map_batches(broken))", ["failed while it ran", "RuntimeError", "in the middle", "in broken"]),
        ("grouped(rows.map_batches(panicking))", ["failed while it ran"]),
        ("grouped(rows.map_batches(leaving))", ["failed while it ran"]),
        ("grouped(rows).map_batches(other, schema=None)", ["failed while it ran", "income"]),
    ],
)
def test_what_fails_while_it_runs_is_named(runs: Runs, expression: str, named: list[str]) -> None:
    functions = """
def broken(frame):
    raise RuntimeError("in the middle")
def panicking(frame):
    raise pl.exceptions.PanicException("of a plugin")
def leaving(frame):
    raise SystemExit(0)
def other(frame):
    return frame.rename({"revenue": "income"})
"""
    runs.module(functions + answer(expression))
    told = refused(runs)
    assert all(part in told for part in ("mine:transform", *named)), told


def test_a_contract_that_raises_is_named(runs: Runs) -> None:
    runs.module("def contract(day):\n    return {}['schema']\ntransform = Transform(contract, None)\n")
    assert "raised in its contract" in refused(runs)


def test_a_module_beside_the_pipeline_file_is_found_and_never_replaces_ours(runs: Runs) -> None:
    (runs.folder / "json.py").write_text("raise RuntimeError('a user file named as a standard module')")
    (runs.folder / "more").mkdir()
    (runs.folder / "more" / "deep.py").write_text(
        "import polars as pl\nfrom processor.transform import Contract, Transform\n" + answer(GOOD)
    )
    runs.transform = "more.deep:transform"
    runs.process()
    assert len(runs.written()) == 4


def test_other_columns_than_exported_are_refused(runs: Runs) -> None:
    runs.columns = '["amount", "currency"]'
    assert "source.columns was amount and is amount, currency" in refused(runs)


@pytest.mark.integration
def test_a_password_in_a_url_of_the_users_message_is_not_told(runs: Runs) -> None:
    body = "raise ValueError('can not reach postgresql://me:p@ss:/%word@db/shop')"
    runs.module(f"{CONTRACT}\ndef apply(rows, day):\n    {body}\ntransform = Transform(contract, apply)\n")
    ended = runs.run_command()
    assert ended.code == 10
    assert "ValueError" in ended.told
    assert "p@ss" not in ended.told
    assert "word@" not in ended.told
