"""A pipeline file, the environment and `--set` become one pipeline, or one error that names every fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from staging.config.file import load_pipeline, load_settings
from staging.config.layers import variable_of
from staging.errors import ExitCode, InputError

COMPLETE = """\
name = "daily_revenue"
[source]
url = "postgresql+psycopg://user:p%40ss@host/db"
table = "purchases"
key = "user_id"
time = "purchased_at"
columns = ["amount"]
timezone = "Europe/Berlin"
[staging]
url = "file:///folder"
[target]
url = "sqlite:///target.db"
table = "revenue"
"""


@pytest.fixture
def pipeline_file(tmp_path: Path) -> Path:
    path = tmp_path / "daily.toml"
    path.write_text(COMPLETE, encoding="utf-8")
    return path


def faults_of(
    path: Path, text: str | None = None, environ: Mapping[str, str] | None = None, overrides: Sequence[str] = ()
) -> str:
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_pipeline(path, environ=environ or {}, overrides=overrides)
    assert caught.value.exit_code == ExitCode.INPUT
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_a_file_with_only_the_needed_keys_gets_the_defaults(pipeline_file: Path) -> None:
    pipeline = load_pipeline(pipeline_file, environ={})
    assert pipeline.source.columns == ("amount",)
    assert pipeline.source.column_timezone == "UTC"
    assert pipeline.export.shards == "auto"
    assert pipeline.process.transform == "processor.revenue:revenue_per_user"
    assert (pipeline.process.tasks, pipeline.process.parallelism, pipeline.process.max_retries) == ("auto", "auto", 3)
    assert pipeline.target.ledger == "penstock_ledger"


def test_flag_beats_environment_beats_file_beats_default_and_each_key_knows_its_origin(pipeline_file: Path) -> None:
    pipeline_file.write_text(COMPLETE + "[export]\nshards = 1\n[process]\ntasks = 1\nmax_retries = 1\n")
    environ = {"PENSTOCK_PROCESS__TASKS": "2", "PENSTOCK_PROCESS__MAX_RETRIES": "2"}
    settings = load_settings(pipeline_file, environ=environ, overrides=["process.max_retries=3"])
    assert settings.pipeline.export.shards == 1
    assert settings.pipeline.process.tasks == 2
    assert settings.pipeline.process.max_retries == 3
    assert settings.origins["export", "shards"] == "line 15"
    assert settings.origins["process", "tasks"] == "PENSTOCK_PROCESS__TASKS"
    assert settings.origins["process", "max_retries"] == "--set process.max_retries"
    assert settings.origins["process", "parallelism"] == "default"


def test_text_is_read_as_its_key_needs_it(pipeline_file: Path) -> None:
    pipeline = load_pipeline(
        pipeline_file,
        environ={"PENSTOCK_SOURCE__ALLOW_FLOAT": "True", "PENSTOCK_SOURCE__TABLE": "42", "PENSTOCK_NAME": "other"},
        overrides=["export.shards=32", "source.columns=amount, fee", "source.where=a = 'b=c'", "process.tasks=auto"],
    )
    assert pipeline.name == "other"
    assert pipeline.source.allow_float is True
    assert pipeline.source.table == "42"
    assert pipeline.source.columns == ("amount", "fee")
    assert pipeline.source.where == "a = 'b=c'"
    assert pipeline.export.shards == 32
    assert pipeline.process.tasks == "auto"


def test_a_list_may_be_written_as_toml_where_a_name_holds_a_comma(pipeline_file: Path) -> None:
    pipeline = load_pipeline(pipeline_file, environ={}, overrides=['source.columns=["a,b", "c"]'])
    assert pipeline.source.columns == ("a,b", "c")


def test_an_empty_where_takes_the_files_condition_away(pipeline_file: Path) -> None:
    pipeline_file.write_text(COMPLETE.replace("[staging]", 'where = "x"\n[staging]'))
    assert load_pipeline(pipeline_file, environ={}).source.where == "x"
    assert load_pipeline(pipeline_file, environ={}, overrides=["source.where="]).source.where is None


def test_an_empty_schema_means_that_the_tables_name_has_dots_of_its_own(pipeline_file: Path) -> None:
    tables = ["source.table=a.b.c", "target.table=a.b"]
    plain = load_pipeline(pipeline_file, environ={}, overrides=tables)
    assert plain.source.table_parts() == ("a", "b.c")
    dotted = load_pipeline(pipeline_file, environ={}, overrides=[*tables, "source.schema=", "target.schema=s"])
    assert dotted.source.table_parts() == (None, "a.b.c")
    assert dotted.target.table_parts() == ("s", "a.b")


def test_all_faults_are_reported_at_once_each_with_its_line_and_key(pipeline_file: Path) -> None:
    message = faults_of(
        pipeline_file,
        COMPLETE.replace('url = "sqlite:', 'urll = "sqlite:').replace("Berlin", "Berlim")
        + '[export]\nshards = "32"\n[process]\ntransform = "no colon"\nmax_retries = 11\n',
        environ={"PENSTOCK_PROCESS__TASKS": "many", "PENSTOCK_SORCE__KEY": "x", "PENSTOCK_EXPORT__SHARDSS": "1"},
        overrides=["process.parallelism=0", "nonsense", "process.paralelism=1"],
    )
    assert "11 faults" in message  # target.url is not told to be missing, too: it stands there as `urll`
    assert "is missing" not in message
    for fault in (
        "line 8, source.timezone: there is no time zone 'Europe/Berlim'; did you mean Europe/Berlin?",
        "line 12, target.urll: there is no such key; did you mean target.url?",
        'line 15, export.shards: should be a whole number from 1 to 10000 or "auto", not the text "32"',
        'line 17, process.transform: should be "package.module:attribute"',
        "line 18, process.max_retries: should be a whole number from 0 to 10, not 11",
        "PENSTOCK_PROCESS__TASKS, process.tasks: should be a whole number",
        "PENSTOCK_SORCE__KEY (environment): there is no such key; did you mean PENSTOCK_SOURCE__KEY?",
        "PENSTOCK_EXPORT__SHARDSS (environment): there is no such key; did you mean PENSTOCK_EXPORT__SHARDS?",
        "--set process.parallelism: should be a whole number from 1 to 10000",
        "--set nonsense: should be written as section.key=value",
        "--set process.paralelism: there is no such key; did you mean process.parallelism?",
    ):
        assert fault in message, message


@pytest.mark.parametrize("shards", ["0", "-1", "1000000", "true", "3.0", '"32"', '"many"', "[1]"])
def test_a_number_of_shards_that_is_none_is_refused(pipeline_file: Path, shards: str) -> None:
    message = faults_of(pipeline_file, f"{COMPLETE}[export]\nshards = {shards}\n")
    assert 'line 15, export.shards: should be a whole number from 1 to 10000 or "auto"' in message


@pytest.mark.parametrize("text", ["0", "-1", "1000000", "1e3", "3.0", " ", "٣", "0x10", "1_0"])
def test_a_text_that_is_no_number_of_shards_is_refused(pipeline_file: Path, text: str) -> None:
    assert "export.shards: should be a whole number" in faults_of(
        pipeline_file, environ={"PENSTOCK_EXPORT__SHARDS": text}
    )
    assert "--set export.shards: should be" in faults_of(pipeline_file, overrides=[f"export.shards={text}"])


@pytest.mark.parametrize(
    ("change", "to", "fault"),
    [
        ('"user_id"', "3", "line 5, source.key: should be a text in quotes, not empty, or a list of texts"),
        ('"user_id"', "[]", "line 5, source.key: should be a text in quotes, not empty, or a list of texts"),
        ('"user_id"', '["a", 3]', 'or a list of texts such as ["amount"], at least one, not [\'a\', 3]'),
        ('"user_id"', '["shop_id", ""]', "line 5, source.key: should be a text in quotes, not empty, or a list"),
        ('"user_id"', '["shop_id", "shop_id"]', "line 5, source.key: names shop_id more than once"),
        ('"user_id"', '["user_id", "amount"]', "source: amount is named more than once"),
        ('key = "user_id"', 'key = ""', "line 5, source.key: should be a text in quotes, not empty"),
        ('["amount"]', '"amount"', 'line 7, source.columns: should be a list of texts such as ["amount"]'),
        ('["amount"]', "[]", "line 7, source.columns: should be a list of texts"),
        ('["amount"]', "[1]", "line 7, source.columns: should be a list of texts"),
        ('["amount"]', '["user_id"]', "source: user_id is named more than once"),
        ('"file:///folder"', '"file://folder"', "line 10, staging.url: should be file:///folder with three slashes"),
        ('"file:///folder"', '"folder"', "line 10, staging.url: should be gs://bucket/prefix or file:///folder"),
        ('"file:///folder"', '"gs://B/p"', "line 10, staging.url: should be gs://bucket/prefix or file:///folder"),
        ('"sqlite:///target.db"', '"target.db"', "line 12, target.url: should be a database URL such as"),
        ('"sqlite:///target.db"', '"env:A-B"', "line 12, target.url: should be env:NAME"),
        ('"sqlite:///target.db"', '"gs://x/y"', "line 12, target.url: gs:// is no database URL"),
        ('"sqlite:///target.db"', '"postgresq://x/y"', "did you mean postgresql://?"),
        ('"daily_revenue"', '"Daily Revenue"', "line 1, name: The pipeline's name 'Daily Revenue' can't be used"),
        ('name = "daily_revenue"', "", "name: is missing"),
        ("[staging]", "[stagin]", "line 9, stagin: there is no such key; did you mean [staging]?"),
        ("[staging]", "[stagin]", "have 1 fault:"),
        ("[staging]", "shards = 3\n[staging]", "source.shards: there is no such key; did you mean export.shards?"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_what_it_should_be(pipeline_file: Path, change: str, to: str, fault: str) -> None:
    assert change in COMPLETE
    message = faults_of(pipeline_file, COMPLETE.replace(change, to))
    assert fault in message, message


def test_a_key_of_several_columns_is_a_list_and_one_in_a_list_is_that_one(pipeline_file: Path) -> None:
    def key_of(to: str, *overrides: str) -> object:
        pipeline_file.write_text(COMPLETE.replace('key = "user_id"', f"key = {to}"))
        source = load_pipeline(pipeline_file, environ={}, overrides=overrides).source
        assert source.key_columns == ((source.key,) if isinstance(source.key, str) else source.key)
        return source.key

    assert key_of('["shop_id", "user_id"]') == ("shop_id", "user_id")
    assert key_of('["user_id"]') == key_of('"user_id"') == "user_id"
    assert key_of('"x"', "source.key=shop_id, user_id") == ("shop_id", "user_id")
    assert key_of('"x"', "source.key=user_id") == "user_id"
    assert key_of('"x"', 'source.key=["shop, user"]') == "shop, user"


def test_a_section_that_is_a_value_is_named(pipeline_file: Path) -> None:
    message = faults_of(pipeline_file, "export = 3\n" + COMPLETE, overrides=["export.shards=3"])
    assert "line 1, export: should be a section, [export] on a line of its own" in message


def test_bad_toml_is_reported_with_its_line(pipeline_file: Path) -> None:
    assert "line 2, column 8: " in faults_of(pipeline_file, 'name = "x"\n[source\n')
    assert "daily.toml is not TOML" in faults_of(pipeline_file, "a = 1\na = 2\n")


def test_a_missing_file_a_folder_and_a_file_that_is_no_text_are_named(tmp_path: Path) -> None:
    assert "There is no pipeline file" in faults_of(tmp_path / "none.toml")
    assert "can't be read" in faults_of(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'name = "\xff"')
    assert "It is not UTF-8 text." in faults_of(tmp_path / "latin.toml")


def test_variables_without_two_underscores_are_no_settings(pipeline_file: Path) -> None:
    load_pipeline(pipeline_file, environ={"PENSTOCK_REQUIRE_SERVERS": "1", "PENSTOCK_PROGRESS": "1", "OTHER__KEY": "x"})


def test_no_secret_is_shown_by_any_fault(pipeline_file: Path) -> None:
    secret = "s3cr@t:/%"
    url = f"postgresql://u:{secret}@h/d"
    message = faults_of(
        pipeline_file,
        COMPLETE.replace('"purchases"', f'["{url}"]').replace("[target]", f'[target]\nurlx = "{url}"')
        + f'[export]\nshards = "{url}"\n',
        environ={"PENSTOCK_SOURCE__URLL": url, "PENSTOCK_SOURCE__URL": secret},
        overrides=[f"target.urll={url}", f"target.url:{url}", url],
    )
    assert "7 faults" in message or "8 faults" in message
    assert "s3cr" not in message
    pipeline = load_pipeline(pipeline_file_again(pipeline_file), environ={"PENSTOCK_SOURCE__URL": url})
    assert "s3cr" not in repr(pipeline) + str(pipeline) + str(pipeline.model_dump())
    assert pipeline.source.url.reveal() == url


def pipeline_file_again(path: Path) -> Path:
    path.write_text(COMPLETE, encoding="utf-8")
    return path


def test_a_url_from_a_variable_or_file_is_looked_up_only_when_revealed(pipeline_file: Path, tmp_path: Path) -> None:
    secret_file = tmp_path / "url"
    pipeline = load_pipeline(
        pipeline_file,
        environ={"SHOP_URL": "sqlite:///shop.db"},
        overrides=["source.url=env:SHOP_URL", f"target.url=file:{secret_file}"],
    )
    assert pipeline.source.url.reveal() == "sqlite:///shop.db"
    with pytest.raises(InputError, match="can't be read"):
        pipeline.target.url.reveal()
    secret_file.write_text("sqlite:///t.db\n")
    assert pipeline.target.url.reveal() == "sqlite:///t.db"
    missing = load_pipeline(pipeline_file, environ={}, overrides=["source.url=env:SHOP_URL"])
    with pytest.raises(InputError, match="SHOP_URL is not set"):
        missing.source.url.reveal()


def test_lines_are_found_behind_multi_line_values_comments_and_dotted_keys(pipeline_file: Path) -> None:
    text = '''# [source]
name = "x" # shards = 1
export.shards = 0
[source] # the shop
columns = [
  "a", # ]
  "b",
]
where = """
[target]
url = 'x'
"""
"url" = 3
'''
    message = faults_of(pipeline_file, text)
    assert "line 3, export.shards" in message
    assert "line 13, source.url" in message
    assert "target: the section [target] is missing" in message


def test_every_key_has_a_variable_and_a_flag(pipeline_file: Path) -> None:
    settings = load_settings(pipeline_file, environ={})
    for key in settings.origins:
        variable = variable_of(key)
        value = {"timezone": "UTC", "column_timezone": "UTC", "allow_float": "true"}.get(key[-1])
        if value is None:
            continue
        again = load_settings(pipeline_file, environ={variable: value}, overrides=[])
        assert again.origins[key] == variable


def test_a_date_in_the_file_is_no_text(pipeline_file: Path) -> None:
    message = faults_of(pipeline_file, COMPLETE.replace('"user_id"', "2026-01-01"))
    assert "line 5, source.key: should be a text in quotes" in message


def test_a_section_needs_a_table_or_what_stands_for_it(pipeline_file: Path) -> None:
    no_table = COMPLETE.replace('url = "postgresql+psycopg://user:p%40ss@host/db"\ntable = "purchases"\n', "")
    message = faults_of(pipeline_file, no_table)
    assert "source.url: is missing" in message
    assert "source.table: is missing" in message
    for key, value in (("parquet", "gs://lake/{day}/*.parquet"), ("python", "module:function")):
        pipeline_file.write_text(no_table.replace("[source]", f'[source]\n{key} = "{value}"'))
        assert not load_pipeline(pipeline_file, environ={}).source.is_database
    assert "source.url: is for a table; with parquet rows come from elsewhere" in faults_of(
        pipeline_file, COMPLETE.replace("[source]", '[source]\nparquet = "file:///a/*.parquet"')
    )
    assert "target.table: is for a table; with parquet rows go to files" in faults_of(
        pipeline_file, COMPLETE.replace('[target]\nurl = "sqlite:///target.db"', '[target]\nparquet = "file:///target"')
    )


@pytest.mark.parametrize(
    "pattern", ["lake/*.parquet", "gs://bucket", "gs://buc*et/x", "file://x", "gs://bucket/{hour}"]
)
def test_a_pattern_of_files_that_is_none_is_refused(pipeline_file: Path, pattern: str) -> None:
    text = COMPLETE.replace('url = "postgresql+psycopg://user:p%40ss@host/db"\ntable = "purchases"\n', "")
    assert "source.parquet: " in faults_of(pipeline_file, text.replace("[source]", f'[source]\nparquet = "{pattern}"'))
