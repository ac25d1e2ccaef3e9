"""A mistake in the author's transform shows before the source is read, and its code sees no database."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chain.chain_days import DemoDay

pytestmark = pytest.mark.integration
HEAD = "import os, sys\nimport polars as pl\nfrom processor.transform import Contract, Day, Transform\n"
CONTRACT = """\
def contract(day):
    schema = {"user_id": day.schema["user_id"], "revenue": pl.Decimal(18, 2)}
    return Contract(schema=pl.Schema(schema), key="user_id", conserves={"revenue": "amount"})
"""
APPLY = """\
def apply(rows, day):
    made = rows.group_by("user_id").agg(revenue=pl.col("amount").sum())
    return made.select("user_id", pl.col("revenue").cast(pl.Decimal(18, 2)))
"""


def write(day: DemoDay, body: str) -> None:
    (day.folder / "own_plan.py").write_text(HEAD + body + "\nchosen = Transform(contract=contract, apply=apply)\n")
    if "own_plan" not in day.config.read_text():
        day.config.write_text(day.config.read_text() + '[process]\ntransform = "own_plan:chosen"\n')


def logs_of(day: DemoDay, job: str) -> list[Path]:
    return list((day.folder / "logs").rglob(f"{job}-*"))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(CONTRACT + APPLY.replace('"amount"', '"amuont"'), "amuont", id="column"),
        pytest.param(CONTRACT + APPLY.replace("group_by", "gruop_by"), "gruop_by", id="method"),
        pytest.param(CONTRACT + APPLY.replace("pl.Decimal(18, 2)", "pl.Float64"), "Float64", id="float"),
        pytest.param(CONTRACT.replace("schema[", "schma[") + APPLY, "schma", id="contract"),
        pytest.param(CONTRACT.replace('["user_id"]', '["usr"]') + APPLY, "usr", id="key"),
        pytest.param(
            CONTRACT + APPLY.replace("return made", "return made.collect().lazy()"), "runs the frame", id="run"
        ),
        pytest.param("import polasr\n" + CONTRACT + APPLY, "polasr", id="import"),
        pytest.param(CONTRACT + APPLY.replace("):", ")"), "SyntaxError", id="syntax"),
    ],
)
def test_a_mistake_is_said_before_the_exporter_starts(day: DemoDay, body: str, told: str) -> None:
    write(day, body)
    ended = day.penstock("run")
    assert ended.returncode == 10, ended.stderr
    assert told in ended.stderr
    assert not logs_of(day, "exporter")
    assert not list(day.staging.rglob("*.parquet"))


TABLES = """\
[source.with.members]
table = "users"
key = "user_id"
columns = ["country"]
"""


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("users", "asks for the table 'users', which the export does not have"),
        ("members", "countrie"),
    ],
)
def test_a_table_that_is_not_there_and_a_column_that_it_lacks_are_said_before_the_exporter_starts(
    day: DemoDay, name: str, told: str
) -> None:
    day.config.write_text(day.config.read_text() + TABLES)
    join = f'rows.join(day.tables["{name}"].select("user_id", "countrie"), on="user_id").group_by'
    write(day, CONTRACT + APPLY.replace("rows.group_by", join))
    ended = day.penstock("run")
    assert ended.returncode == 10, ended.stderr
    assert told in ended.stderr
    assert not logs_of(day, "exporter")
    assert not list(day.staging.rglob("*.parquet"))


def test_the_next_run_with_a_mended_transform_is_done(day: DemoDay) -> None:
    write(day, CONTRACT + APPLY.replace('"amount"', '"amuont"'))
    assert day.penstock("run").returncode == 10
    write(day, CONTRACT + APPLY)
    day.sql("CREATE TABLE own (day TEXT, user_id INTEGER, revenue TEXT, PRIMARY KEY (day, user_id))")
    assert day.penstock("run", "--set", "target.table=own").returncode == 0


def test_a_stored_day_spares_the_source_the_question(day: DemoDay) -> None:
    day.report("run")
    write(day, CONTRACT + APPLY.replace('"amount"', '"amuont"'))
    ended = day.penstock("run", "--fresh-export")
    assert (ended.returncode, len(logs_of(day, "exporter"))) == (10, 1), ended.stderr
    assert "amuont" in ended.stderr


def test_columns_that_have_changed_since_are_the_ones_that_count(day: DemoDay) -> None:
    day.report("run")
    day.sql("ALTER TABLE purchases RENAME TO old")
    definition = day.sql("SELECT sql FROM sqlite_master WHERE name = 'old'")[0][0]
    day.sql(definition.replace("old", "purchases", 1).replace('"old"', "purchases").replace("(12, 2)", "(14, 3)"))
    day.sql("INSERT INTO purchases SELECT * FROM old")
    day.sql("DROP TABLE old")
    only_new = "assert_new = pl.Decimal(14, 3)\n"
    apply = APPLY.replace(
        "    made", '    if day.schema["amount"] != assert_new: raise AttributeError("the old type")\n    made', 1
    )
    write(day, only_new + CONTRACT.replace("18, 2", "18, 3") + apply.replace("18, 2", "18, 3"))
    ended = day.penstock("run", "--fresh-export")
    assert "the old type" not in ended.stderr


def test_the_authors_code_sees_neither_url_nor_arguments_of_the_chain(day: DemoDay) -> None:
    seen = day.folder / "seen"
    look = f"""
with open({str(seen)!r}, "a") as file:
    file.write(repr(dict(os.environ)) + repr(sys.argv))
"""
    write(day, look + CONTRACT + APPLY.replace('"amount"', '"amuont"'))
    secret = f"sqlite:///{day.database}"
    ended = day.penstock("run", "--set", "source.url=env:SHOP", SHOP=secret, PENSTOCK_TARGET__URL=secret)
    assert ended.returncode == 10, ended.stderr
    assert "PATH" in seen.read_text()
    assert str(day.database) not in seen.read_text()


@pytest.mark.parametrize("surroundings", ['os.environ["CLOUD_RUN_TASK_INDEX"]', 'open(os.environ.get("X", "/none"))'])
def test_what_may_be_the_surroundings_fault_is_left_to_the_tasks(day: DemoDay, surroundings: str) -> None:
    body = APPLY.replace("    made", f"    {surroundings}\n    made", 1)
    write(day, CONTRACT + body)
    day.penstock("run", "--set", "process.max_retries=0")
    assert len(logs_of(day, "exporter")) == 1
    assert logs_of(day, "processor")


def test_a_day_of_sql_is_the_day_of_the_built_in_transform_and_a_typo_in_it_costs_nothing(day: DemoDay) -> None:
    text = "SELECT user_id, SUM(amount) AS revenue, COUNT(amount) AS purchases FROM rows GROUP BY user_id"
    (day.folder / "typo.sql").write_text(text.replace("amount", "amuont"))
    (day.folder / "own.sql").write_text(f"{text} HAVING COUNT(amount) > 0")
    conserves = "process.conserves=revenue=amount"
    ended = day.penstock("run", "--set", "process.sql=typo.sql", "--set", conserves)
    assert (ended.returncode, logs_of(day, "exporter")) == (10, []), ended.stderr
    assert "amuont" in ended.stderr
    report = day.report("run", "--set", "process.sql=own.sql", "--set", conserves)
    assert [each["output"] for each in report["conserved"]] == ["revenue"]
    by_sql = day.revenue()
    day.sql("DELETE FROM revenue")
    day.report("reprocess")
    assert [row[1:] for row in day.revenue()] == [row[1:] for row in by_sql]
