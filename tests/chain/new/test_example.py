"""An example is copied with its module, over nothing, and is valid where it was copied to."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from chain.bundled import list_bundled
from chain.cli import cli
from chain.new.example import copy_example
from staging.config.file import load_pipeline
from staging.errors import InputError, UsageError

PIPELINES = Path(__file__).parents[3] / "pipelines"
NAMES = sorted(path.stem for path in PIPELINES.glob("*.toml"))


def test_all_examples_are_listed_with_what_they_show() -> None:
    ended = CliRunner().invoke(cli, ["new", "--example", "list"], obj={})
    assert ended.exit_code == 0, ended.output
    told = dict(line.split("  ", 1) for line in ended.output.splitlines())
    assert sorted(told) == list_bundled("pipelines", ".toml") == NAMES
    assert all(len(what.split()) > 3 for what in told.values())
    assert max(map(len, ended.output.splitlines())) <= 120


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_copied_whole_and_is_valid(name: str, tmp_path: Path) -> None:
    written = copy_example(name, tmp_path / "mine.toml")
    assert load_pipeline(tmp_path / "mine.toml", environ={}).name
    module = PIPELINES / f"{name}.py"
    assert [path.name for path in written] == ["mine.toml", *([module.name] if module.exists() else [])]
    for path in written[1:]:
        assert path.read_bytes() == module.read_bytes()


def test_nothing_is_written_over_and_a_typo_is_told_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net_revenue.py").write_text("mine")
    with pytest.raises(InputError, match=r"net_revenue.py is there already"):
        copy_example("net_revenue", None)
    assert [path.name for path in tmp_path.iterdir()] == ["net_revenue.py"]
    with pytest.raises(UsageError, match="did you mean net_revenue"):
        copy_example("net_revenu", None)
