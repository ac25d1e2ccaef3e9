"""Where a pipeline's own modules are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from staging.config.layers import module_folders


def test_modules_lie_beside_the_file_as_named_and_where_a_link_leads_and_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, real, here = (tmp_path / name for name in ("named", "real", "here"))
    for folder in (named, real, here):
        folder.mkdir()
    (real / "p.toml").touch()
    (named / "p.toml").symlink_to(real / "p.toml")
    monkeypatch.chdir(here)
    assert module_folders(named / "p.toml", {}) == (named, real, here)
    assert module_folders(Path("../real/p.toml"), {}) == (here / "../real", real, here)
    assert module_folders(Path("p.toml"), {}) == (here,)


def test_modules_of_a_pipeline_in_a_variable_lie_beside_the_file_it_was_read_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "gone" / "p.toml"
    assert module_folders(Path("env:SETTINGS"), {"SETTINGS_FILE": str(file)}) == (file.parent, tmp_path)
    assert module_folders(Path("env:SETTINGS"), {}) == (tmp_path,)
