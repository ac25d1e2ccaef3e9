"""What somebody meets in the first hour: which file is meant, errors that programs read, settings with their origin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chain.cli import cli
from tests.warm import warm_python

pytestmark = pytest.mark.integration

FILE = """
name = "daily_revenue"
[source]
url = "postgresql://reader:s3cret-canary@h/db"
table = "purchases"
key = "user_id"
time = "at"
columns = ["amount"]
timezone = "UTC"
[staging]
url = "file:///nowhere/staging"
[target]
url = "env:SHOP"
table = "revenue"
[notify]
url = "https://hooks.slack.com/services/T/B/canary"
"""


def penstock(*arguments: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [warm_python(), "-m", "chain", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=dict(os.environ) | environ,
    )


def invoke(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(cli, arguments, obj=environ)


def test_the_pipeline_file_is_the_named_one_or_the_variables_or_the_only_one_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = invoke("config", "show")
    assert ended.exit_code == 2
    assert "this folder has no pipeline file, and PENSTOCK_CONFIG is not set" in ended.output
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    (tmp_path / "broken.toml").write_text("[")
    (tmp_path / "one.toml").write_text(FILE)
    assert 'name = "daily_revenue"' in invoke("config", "show").output
    (tmp_path / "two.toml").write_text(FILE.replace("daily_revenue", "two"))
    ended = invoke("config", "show")
    assert ended.exit_code == 2
    assert "one.toml, two.toml" in ended.output
    assert 'name = "two"' in invoke("config", "show", PENSTOCK_CONFIG=str(tmp_path / "two.toml")).output
    assert (
        'name = "daily_revenue"'
        in invoke("config", "show", "--config", "one.toml", PENSTOCK_CONFIG=str(tmp_path / "two.toml")).output
    )


def test_settings_are_shown_with_their_origin_and_without_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "one.toml"
    path.write_text(FILE)
    ended = invoke(
        "config",
        "show",
        "--origin",
        "--config",
        str(path),
        "--set",
        "export.shards=7",
        PENSTOCK_SOURCE__TIMEZONE="Europe/Berlin",
    )
    assert ended.exit_code == 0, ended.output
    lines = {line.partition(" =")[0]: " ".join(line.partition("= ")[2].split()) for line in ended.output.splitlines()}
    assert lines["name"] == '"daily_revenue" # line 2'
    assert lines["export.shards"] == "7 # --set export.shards"
    assert lines["source.timezone"] == '"Europe/Berlin" # PENSTOCK_SOURCE__TIMEZONE'
    assert lines["process.max_retries"] == "3 # default"
    assert lines["target.url"].startswith('"env:SHOP"')
    assert "canary" not in ended.output
    told = json.loads(invoke("config", "show", "--json", "--config", str(path)).output)
    assert {"key": "name", "value": "daily_revenue", "origin": "line 2"} in told


def test_a_typo_is_one_fault(tmp_path: Path) -> None:
    path = tmp_path / "one.toml"
    path.write_text(FILE.replace('table = "purchases"', 'tabel = "purchases"').replace("timezone", "timezoen"))
    ended = penstock("plan", "--day", "2026-10-25", folder=tmp_path)
    assert ended.returncode == 10
    assert "have 2 faults" in ended.stderr
    path.write_text(FILE.replace("[target]", "[taget]"))
    ended = penstock("plan", "--day", "2026-10-25", "--config", str(path), folder=tmp_path)
    assert "has 1 fault" in ended.stderr or "have 1 fault" in ended.stderr


def test_an_error_is_an_object_too_where_objects_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(FILE)
    ended = penstock("run", "--day", "2026-13-25", "--json", folder=tmp_path)
    error = json.loads(ended.stdout)["error"]
    assert (ended.returncode, error["exit_code"]) == (10, 10)
    assert "is not a day" in error["what"]
    assert "is not a day" in ended.stderr
    ended = penstock("run", "--nix", "--json", folder=tmp_path)
    assert json.loads(ended.stdout)["error"]["exit_code"] == ended.returncode == 2
    assert penstock("run", "--day", "2026-13-25", folder=tmp_path).stdout == ""
    ended = penstock("doctor", "--json", folder=tmp_path, SHOP="sqlite:////nowhere/x.db")
    assert set(json.loads(ended.stdout)) == {"pipeline", "ok", "checks"}  # its own object, and no second one
    assert ended.returncode in (10, 20)


@pytest.mark.parametrize("module", ["exporter", "processor", "loader", "chain"])
def test_every_command_takes_h(module: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", module, "-h"], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3]
    )
    assert (ended.returncode, "Usage:" in ended.stdout) == (0, True)
