"""Each library that an extra brings is missed by that extra's name, and by no package of somebody else's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from staging.process.missing_extra import EXTRAS, missing_extra

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BY_EXTRA = {
    extra: {re.split(r"[^\w-]", line)[0].lower() for line in lines if not line.startswith("penstock-pipelines[")}
    for extra, lines in PROJECT["optional-dependencies"].items()
}
MODULES = {
    "google-cloud-run": "google.cloud.run_v2",
    "opentelemetry-sdk": "opentelemetry.sdk",
    "opentelemetry-exporter-otlp-proto-http": "opentelemetry.exporter.otlp.proto.http",
    "opentelemetry-exporter-otlp-proto-grpc": "opentelemetry.exporter.otlp.proto.grpc",
}
BLOCKED = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r} or name.startswith({module!r} + "."):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refuse())
sys.argv = ["command", *{arguments!r}]
from {package}.__main__ import main
main()
"""


@pytest.fixture(scope="module")
def installed() -> Mapping[str, list[str]]:
    """The distributions that bring each module: what looks into all that is installed, for a second."""
    return packages_distributions()


def modules_of(distribution: str, installed: Mapping[str, list[str]]) -> set[str]:
    if distribution in MODULES:
        return {MODULES[distribution]}
    return {module for module, names in installed.items() if distribution in {name.lower() for name in names}}


@pytest.mark.parametrize("extra", [name for name, needs in BY_EXTRA.items() if needs])
def test_every_library_of_an_extra_is_missed_by_the_extras_name(extra: str, installed: Mapping[str, list[str]]) -> None:
    for distribution in BY_EXTRA[extra]:
        modules = {each for each in modules_of(distribution, installed) if not each.startswith("_")}
        assert modules, distribution
        told = [missing_extra(ModuleNotFoundError("none", name=each)) for each in modules if each in EXTRAS]
        assert told, f"{distribution} of the extra {extra} is not among EXTRAS"
        for error in told:
            assert error is not None
            named = re.findall(r"`([\w-]+)`", error.fix)
            assert all(distribution in BY_EXTRA[each] for each in named), (distribution, error.fix)
            assert "penstock[" not in error.fix, "the penstock of PyPI is somebody else's"


def test_a_part_of_a_shared_namespace_is_missed_by_its_own_name() -> None:
    error = ImportError("cannot import name 'run_v2' from 'google.cloud' (unknown location)", name="google.cloud")
    told = missing_extra(error)
    assert told is not None
    assert "`emulator`" in told.fix


def test_a_module_that_no_extra_brings_is_a_bug() -> None:
    assert missing_extra(ModuleNotFoundError("none", name="staging.nothing")) is None


@pytest.mark.integration
@pytest.mark.parametrize(
    ("package", "module", "extra"),
    [("exporter", "sqlalchemy", "exporter"), ("loader", "sqlalchemy", "loader"), ("chain", "rich", "chain")],
)
def test_a_command_without_its_extra_names_it(package: str, module: str, extra: str, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(
        f"""
name = "p"
[source]
url = "sqlite:///{tmp_path}/s.db"
table = "t"
key = "k"
time = "at"
columns = ["a"]
timezone = "UTC"
[staging]
url = "file://{tmp_path}/staging"
[target]
url = "sqlite:///{tmp_path}/t.db"
table = "r"
"""
    )
    arguments = ["--config", str(tmp_path / "p.toml"), "--day", "2026-11-14"]
    arguments = ["run", *arguments] if package == "chain" else [*arguments, "--run-id", "run-0001"]
    program = BLOCKED.format(module=module, arguments=arguments, package=package)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "FORCE_COLOR": "1"},  # a chain needs rich where there is a terminal
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode == 10 and package == "loader" and "no run" in done.stderr:
        return  # it reads the run's documents before it connects
    assert done.returncode == 10, done.stderr
    assert f"`{extra}`" in done.stderr
    assert "bug" not in done.stderr


@pytest.mark.integration
@pytest.mark.parametrize("module", ["grpc", "google.cloud.run_v2", "h11"])
def test_the_emulator_without_its_extra_has_a_help_text_and_names_it(module: str, tmp_path: Path) -> None:
    (tmp_path / "images.toml").write_text("")
    for arguments, code in ((["--help"], 0), (["serve", "--images", str(tmp_path / "images.toml")], 10)):
        program = BLOCKED.format(module=module, arguments=arguments, package="jobs_emulator")
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == code, done.stderr
        assert code == 0 or "the extra `emulator`" in done.stderr
        assert "Traceback" not in done.stderr
