"""docs/connect.md lists exactly the options that are read; its URLs, files and commands are tried."""

from __future__ import annotations

import os
import re
import subprocess
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import make_url

from chain.cli import cli
from chain.demo.rows import Shop
from chain.demo.shop import fill_shop
from databases.mysql.url import OPTIONS as MYSQL_OPTIONS
from databases.mysql.url import driver_arguments as mysql_arguments
from databases.mysql.url import tls_mode as mysql_tls_mode
from databases.postgres.url import OPTIONS as POSTGRES_OPTIONS
from databases.postgres.url import connect_parameters
from databases.postgres.url import tls_mode as postgres_tls_mode
from databases.tls import TlsMode
from databases.url import parse_url
from staging.config.file import load_pipeline
from tests.chain.deploy.spoken import check_gcloud
from tests.servers.certificates import make_certificates
from tests.warm import warm_python

TEXT = (Path(__file__).parents[2] / "docs" / "connect.md").read_text(encoding="utf-8")


def _listed(heading: str) -> set[str]:
    section = TEXT.split(f"### {heading}\n")[1].split("\n#")[0]
    first_cells = (line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))
    return {name.partition("=")[0] for cell in first_cells for name in re.findall(r"`([^`]+)`", cell)}


def test_every_option_of_mysql_s_is_described_and_no_other() -> None:
    assert _listed("MySQL and MariaDB") == set(MYSQL_OPTIONS)


def test_every_option_of_postgres_s_is_described_and_no_other() -> None:
    assert _listed("PostgreSQL") == set(POSTGRES_OPTIONS)


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def _pipeline(folder: Path, source: str) -> Path:
    columns = 'table = "purchases"\nkey = "user_id"\ntime = "purchased_at"\ncolumns = ["amount"]\ntimezone = "UTC"\n'
    path = folder / "p.toml"
    rest = f'[staging]\nurl = "{(folder / "s").as_uri()}"\n[target]\nparquet = "{(folder / "t").as_uri()}"\n'
    path.write_text(f'name = "p"\n{source}{columns}{rest}')
    return path


def test_the_urls_of_the_page_are_read_as_it_says(tmp_path: Path) -> None:
    authority = make_certificates(tmp_path, "-").ca
    listed = TEXT.split("\n```\n")[1]
    urls = [each.replace("/etc/ssl/shop-ca.pem", str(authority)) for each in listed.split() if "…" not in each]
    assert [each.partition(":")[0] for each in urls] == ["postgresql+psycopg", "mysql+pymysql", "sqlite"]
    assert postgres_tls_mode(parse_url(urls[0])) is TlsMode.VERIFY_IDENTITY
    assert mysql_tls_mode(parse_url(urls[1])) is TlsMode.VERIFY_IDENTITY
    in_prose = [each for each in re.findall(r"`(\w+\+\w+://[^`]+)`", TEXT) if "…" not in each]
    assert len(in_prose) >= 3
    for each in in_prose:
        url = parse_url(each)
        is_mysql = url.get_backend_name() == "mysql"
        assert (mysql_arguments if is_mysql else partial(connect_parameters, application_name="x"))(url)


def test_the_files_of_the_page_are_pipeline_files_and_their_parts_make_a_url(tmp_path: Path) -> None:
    authority, secrets = str(make_certificates(tmp_path, "-").ca), {"SHOP_PASSWORD": "s3:c@t"}
    blocks = [re.sub(r"/etc/ssl/[\w-]+\.pem", authority, block) for block in _blocks("toml")]
    parts, token = (load_pipeline(_pipeline(tmp_path, block), environ=secrets) for block in blocks)
    url = parse_url(parts.source.url.reveal())
    found = (url.host, url.port, url.username, url.password, url.database)
    assert found == ("10.1.2.3", 5432, "reader", "s3:c@t", "shop")
    assert postgres_tls_mode(url) is TlsMode.VERIFY_IDENTITY
    assert token.source.login == "iam"
    assert parse_url(token.source.url.reveal()).password is None


def test_the_commands_that_the_page_names_are_there() -> None:
    named = re.findall(r"`(gcloud|penstock) ([^`]+)`", TEXT)
    assert {program for program, _ in named} == {"gcloud", "penstock"}
    for program, rest in named:
        words = [word for word in rest.split() if not word.startswith("-")]
        if program == "gcloud":
            check_gcloud(words, [])
        else:
            assert words[0] in cli.commands


@pytest.mark.integration
def test_doctor_says_of_a_server_that_is_named_in_parts_how_it_was_reached(
    postgres_database: str, tmp_path: Path
) -> None:
    url = make_url(postgres_database)
    fill_shop(postgres_database, Shop(1, 5, 20), replace=False, say=lambda _: None)
    own = {"host": url.host, "user": url.username, "database": url.database, "tls": "PREFERRED"}
    block = _blocks("toml")[0].replace("port = 5432", f"port = {url.port}")
    for key, value in own.items():
        block = re.sub(rf'^{key} = "[^"]*"', f'{key} = "{value}"', block, flags=re.MULTILINE)
    block = re.sub(r"^tls_ca.*\n", "", block, flags=re.MULTILINE)
    command = [warm_python(), "-m", "chain", "doctor", "--config", str(_pipeline(tmp_path, block))]
    environ = dict(os.environ) | {"SHOP_PASSWORD": str(url.password)}
    told = subprocess.run(command, capture_output=True, text=True, check=False, env=environ).stdout
    assert re.search(rf"^ok +source connection +no TLS, to {url.host}:{url.port}$", told, re.MULTILINE), told
    assert re.search(r"^ok +source connections +3 at the same time", told, re.MULTILINE), told
