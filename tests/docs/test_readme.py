"""What the README shows works as it is shown: its pipeline file, its transform, its commands and links."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from chain.cli import cli
from chain.demo.pipeline import write_demo_pipeline
from chain.demo.rows import Shop
from chain.demo.shop import fill_shop
from staging.config.file import load_pipeline
from staging.errors import ExitCode
from tests.warm import warm_python

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def penstock(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [warm_python(), "-m", "chain", *arguments], capture_output=True, text=True, cwd=cwd, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_pipeline_file_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "daily_revenue.toml"
    path.write_text(block("toml"))
    assert load_pipeline(path, environ={}).source.url.reference == "env:SHOP_URL"


def test_the_transform_runs_and_conserves(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(block("python"))
    fill_shop(f"sqlite:///{tmp_path}/shop.db", Shop(1, 30, 900), replace=False, say=lambda _: None)
    config = tmp_path / "own.toml"
    write_demo_pipeline(config, url=f"sqlite:///{tmp_path}/shop.db", staging=(tmp_path / "s").as_uri(), shards=2)
    config.write_text(
        config.read_text().replace('"revenue"', '"spent"') + '[process]\ntransform = "own:orders_per_user"\n'
    )
    penstock("init", "--config", str(config), cwd=tmp_path)
    out = penstock("run", "--config", str(config), "--day", "2026-10-25", "--logs", "logs", "--json", cwd=tmp_path)
    report = json.loads(out)
    assert report["conserved"][0]["output"] == "spent"
    assert report["totals"]["loaded"]["spent"] == report["totals"]["exported"]["amount"]


def test_its_commands_options_exit_codes_and_links_exist() -> None:
    options = {option for command in cli.commands.values() for parameter in command.params for option in parameter.opts}
    for name, rest in re.findall(r"^(?:\$ \S*)?penstock ([a-z-]+)(.*)$", README, re.MULTILINE):
        assert name in cli.commands
        assert set(re.findall(r"(--[a-z-]+)", rest)) <= options
    for code in ExitCode:
        assert f"| {int(code)} | " in README
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link
