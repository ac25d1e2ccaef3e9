"""A database's URL in parts is the URL that somebody careful would have written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy.engine import URL

from databases.mysql.url import driver_arguments
from databases.postgres.url import connect_parameters
from databases.url import parse_url
from staging.config.database import WITHHELD
from staging.config.file import load_pipeline
from staging.config.pipeline import Pipeline
from staging.config.secret_url import look_up_text_in
from staging.config.source import SourceConfig
from staging.config.target import TargetConfig
from staging.errors import InputError
from staging.redaction import redact

REST = {"table": "t", "key": "k", "time": "at", "columns": ["a"], "timezone": "UTC"}
SHOP = {"dialect": "postgresql", "host": "db.shop", "port": 5433, "user": "ada", "database": "shop"}
DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}
AWKWARD = (
    "p@ss",
    "a/b:c%d",
    "%40",
    " leading and trailing ",
    "ü€",
    "a+b&c=d?e#f",
    "[x]",
    "\"quoted'",
    "\\",
    "env",
    "@",
)


def revealed(**keys: Any) -> URL:
    environ = keys.pop("environ", {})
    text = SourceConfig.model_validate(keys | REST, context={"look_up": look_up_text_in(environ)}).url.reveal()
    return parse_url(text)


@pytest.mark.parametrize("dialect", list(DRIVERS))
@pytest.mark.parametrize("text", AWKWARD)
def test_no_sign_in_user_password_or_database_needs_an_escape(dialect: str, text: str) -> None:
    oracle = URL.create(DRIVERS[dialect], text, text, "h", 1234, text)
    for how in ({"password": text}, {"password": "env:SECRET", "environ": {"SECRET": text + "\n"}}):
        assert revealed(dialect=dialect, host="h", port=1234, user=text, database=text, **how) == oracle


def test_a_password_of_a_file_is_looked_up_when_it_is_needed_and_no_sooner(tmp_path: Path) -> None:
    file = tmp_path / "password"
    section = SourceConfig.model_validate(SHOP | REST | {"password": f"file:{file}"})
    with pytest.raises(InputError, match="can't be read"):
        section.url.reveal()
    for password in ("first", "second"):
        file.write_text(f"{password}\n")
        assert parse_url(section.url.reveal()).password == password
    assert redact("was first, is second, now") == "was …, is …, now"


def test_no_password_is_none() -> None:
    assert revealed(**SHOP) == URL.create("postgresql+psycopg", "ada", None, "db.shop", 5433, "shop")


@pytest.mark.parametrize(("host", "shown"), [("::1", "::1"), ("[fe80::2]", "fe80::2"), ("10.0.0.1", "10.0.0.1")])
def test_an_address_is_a_host(host: str, shown: str) -> None:
    assert revealed(**SHOP | {"host": host}).host == shown


def test_several_hosts_are_libpqs() -> None:
    found = connect_parameters(revealed(**SHOP | {"host": "a,::1"}), "test")
    assert (found["host"], found["port"]) == ("a,::1", "5433,5433")
    with pytest.raises(ValidationError, match="several hosts"):
        SourceConfig.model_validate(SHOP | REST | {"host": "a,b", "dialect": "mysql"})


def test_a_path_is_a_unix_socket() -> None:
    cloud = {"host": "/cloudsql/shop:eu:db", "user": "ada", "database": "shop"}
    found = connect_parameters(revealed(dialect="postgresql", port=5433, **cloud), "test")
    assert (found["host"], found["port"], found["dbname"]) == ("/cloudsql/shop:eu:db", "5433", "shop")
    for dialect in ("mysql", "mariadb"):
        assert driver_arguments(revealed(dialect=dialect, **cloud))["unix_socket"] == "/cloudsql/shop:eu:db"


@pytest.mark.parametrize("mode", ["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"])
def test_tls_is_said_in_one_way_for_each_server(tmp_path: Path, mode: str) -> None:
    files = {name: tmp_path / f"{name} of & shop" for name in ("tls_ca", "tls_cert", "tls_key")}
    for file in files.values():
        file.touch()
    certificates: dict[str, str] = {}
    if mode in ("REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"):
        certificates |= {"tls_cert": str(files["tls_cert"]), "tls_key": str(files["tls_key"])}
    if mode.startswith("VERIFY"):
        certificates["tls_ca"] = str(files["tls_ca"])
    words = {"tls_ca": "ssl_ca", "tls_cert": "ssl_cert", "tls_key": "ssl_key"}
    for dialect in DRIVERS:
        names = {old: new.replace("_", "").replace("ca", "rootcert") for old, new in words.items()}
        expected = names if dialect == "postgresql" else words
        found = revealed(**SHOP | {"dialect": dialect, "tls": mode} | certificates)
        assert found.query == {"ssl_mode": mode} | {expected[name]: file for name, file in certificates.items()}
        if dialect == "postgresql":
            parameters = connect_parameters(found, "test")
            assert {parameters.get(name) for name in names.values()} - {None} == set(certificates.values())


FAULTS = [
    ({"url": "sqlite:///x"}, "url: stands beside dialect, host, port, user, database; write the URL or its parts"),
    ({"dialect": None}, "has host, port, user, database, parts of a URL, but no dialect"),
    ({"host": None}, "has dialect, port, user, database, parts of a URL, but no host"),
    ({"dialect": None, "host": None}, "but no dialect and no host"),
    ({"dialect": "sqlite"}, '.dialect: should be "postgresql" or "mysql" or "mariadb"'),
    ({"port": 0}, ".port: should be a whole number from 1 to 65535"),
    ({"tls": "verify"}, '.tls: should be "DISABLED" or "PREFERRED" or "REQUIRED" or "VERIFY_CA"'),
    ({"tls_ca": "/ca"}, "has tls_ca, which is looked at only with tls"),
    ({"tls_ca": "/ca", "tls": "REQUIRED"}, "has tls_ca, which is looked at only with tls"),
    ({"tls_cert": "/c", "tls_key": "/k", "tls": "PREFERRED"}, "has tls_cert, which is shown for certain only with"),
    ({"tls_key": "/k", "tls": "REQUIRED"}, "has one of tls_cert and tls_key"),
    ({"host": "db:5432"}, ".host: should be a host's name or address alone"),
    ({"host": "env:HOST"}, ".host: should be the host itself; of the parts only password may be env:NAME"),
    ({"host": "u:canary@db"}, ".host: should be a host's name or address alone"),
    ({"password": "env:canary-1"}, ".password: should be env:NAME with the name of a variable"),
    ({"password": "file:///canary"}, ".password: should be file:/path with one slash"),
    ({"password": 3}, ".password: should be env:NAME, or file:/path, or the password in quotes"),
]


def _toml(keys: dict[str, Any]) -> str:
    return "".join(
        f"{name} = {str(value) if isinstance(value, int | list) else repr(value)}\n"
        for name, value in keys.items()
        if value is not None
    )


def _file(folder: Path, source: dict[str, Any], target: dict[str, Any]) -> Path:
    path = folder / "p.toml"
    rest = "[staging]\nurl = 'file:///s'\n"
    path.write_text(f"name = 'p'\n[source]\n{_toml(source | REST)}{rest}[target]\n{_toml(target | {'table': 'r'})}")
    return path


@pytest.mark.parametrize(("change", "said"), FAULTS)
def test_parts_that_make_no_url_are_told_by_name(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_pipeline(_file(tmp_path, SHOP | change, SHOP | change), environ={})
    for section in ("source", "target"):
        line = next(line for line in str(caught.value).splitlines() if f", {section}" in line)
        assert said in line
    assert "canary" not in str(caught.value)


def test_neither_url_nor_parts_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_pipeline(_file(tmp_path, {}, {}), environ={})
    for section in ("source", "target"):
        assert f"{section}.url: is missing, so are its parts: dialect, host" in str(caught.value)


def test_a_part_that_is_wrong_is_the_only_fault(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="have 1 fault:"):
        load_pipeline(_file(tmp_path, {"host": 3}, {"url": "sqlite:///t"}), environ={})


def test_parts_are_for_a_table(tmp_path: Path) -> None:
    path = _file(tmp_path, {"url": "sqlite:///t"}, {"parquet": "file:///r", "host": "h"})
    path.write_text(path.read_text().replace("table = 'r'\n", ""))
    with pytest.raises(InputError, match="target: has host, for a table; its rows go to files"):
        load_pipeline(path, environ={})


def test_parts_come_from_each_layer_and_an_empty_one_takes_a_key_away(tmp_path: Path) -> None:
    path = _file(tmp_path, {"url": "sqlite:///x"}, SHOP | {"password": "env:TARGET"})
    environ = {f"PENSTOCK_SOURCE__{name.upper()}": str(value) for name, value in SHOP.items()}
    environ |= {"PENSTOCK_SOURCE__PASSWORD": "hunter2", "TARGET": "t@rget"}
    pipeline = load_pipeline(path, environ=environ, overrides=["source.url=", "source.port=6000"])
    assert parse_url(pipeline.source.url.reveal()) == URL.create(
        "postgresql+psycopg", "ada", "hunter2", "db.shop", 6000, "shop"
    )
    assert parse_url(pipeline.target.url.reveal()).password == "t@rget"
    shown = repr(pipeline) + str(pipeline.model_dump()) + repr(pipeline.source.url)
    assert "hunter2" not in shown
    assert redact("hunter2") == "…"


def test_a_target_has_the_same_parts() -> None:
    keys = SHOP | {"password": "p/w", "table": "r"}
    assert parse_url(TargetConfig.model_validate(keys).url.reveal()).password == "p/w"


def _pipeline(source: dict[str, object], target: dict[str, object]) -> Pipeline:
    shop = {"url": "env:SHOP", "key": "user_id", "time": "at", "columns": ["amount"], "timezone": "UTC"}
    warehouse = {"url": "env:SHOP", "table": "revenue"}
    document = {"name": "p", "staging": {"url": "file:///x"}, "source": shop | source, "target": warehouse | target}
    return Pipeline.model_validate(document)


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ({"table": "revenue"}, {}, "read by source, too"),
        ({"table": "a.revenue"}, {"table": "revenue", "schema": "a"}, "read by source, too"),
        (
            {"table": "t", "with": {"r": {"table": "revenue", "key": "user_id", "columns": ["x"]}}},
            {},
            "read by source, too",
        ),
        ({"table": "t"}, {"ledger": "revenue"}, "a table of its own"),
        ({"table": "t"}, {"table": "a.revenue", "ledger": "revenue"}, "a table of its own"),
        ({"table": "t"}, {"table": "a.revenue", "ledger": "a.revenue"}, "a table of its own"),
        ({"table": "t", "window": "hour"}, {"table": "penstock_ledger_hours"}, "a table of its own"),
    ],
)
def test_tables_of_a_pipeline_are_apart(source: dict[str, object], target: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        _pipeline(source, target)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ({"table": "revenue"}, {"url": "env:WAREHOUSE"}),
        ({"table": "revenue", "url": WITHHELD}, {"url": WITHHELD}),
        ({"table": "a.revenue"}, {"table": "b.revenue"}),
        ({"table": "t"}, {"table": "a.revenue", "ledger": "b.revenue"}),
        ({"table": "t", "window": "hour"}, {"ledger": "revenue"}),
    ],
)
def test_tables_of_one_name_may_be_two(source: dict[str, object], target: dict[str, object]) -> None:
    assert _pipeline(source, target).target.table


def test_two_hosts_with_one_password_are_two_databases() -> None:
    parts: dict[str, object] = {"url": None, "dialect": "mysql", "password": "env:PASSWORD", "database": "shop"}
    assert _pipeline(parts | {"host": "a", "table": "revenue"}, parts | {"host": "b"}).target.table
    with pytest.raises(ValueError, match="read by source, too"):
        _pipeline(parts | {"host": "a", "table": "revenue"}, parts | {"host": "a"})
