"""MySQL, and a newer PostgreSQL, come from Debian unstable; if it can't give them, the cache stays and why is told."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers.fetch_mysql import NotFetchedError, fetch_mysql, sources_of_this_machine
from tests.servers.fetch_postgres import fetch_postgres
from tests.servers.missing import NotToBeHad, skip_or_fail
from tests.servers.programs import ServerMissingError, find_mysql, find_postgres

pytestmark = [
    pytest.mark.integration,
    pytest.mark.may_skip(reason="only Debian and what is made of it has apt"),
    pytest.mark.skipif(shutil.which("apt-get") is None, reason="there is no apt here"),
]


def test_a_suite_that_cannot_give_its_packages_leaves_the_cache_alone_and_says_why(tmp_path: Path) -> None:
    cached = tmp_path / "servers" / "mysql"
    (cached / "bin").mkdir(parents=True)
    with pytest.raises(NotFetchedError, match="libgone"):
        fetch_mysql([_make_suite(tmp_path, depends="libgone (>= 7)")], cached=cached)
    assert [path.name for path in cached.parent.iterdir() if path.is_dir()] == ["mysql"]
    assert (cached / "bin").exists()


def test_a_suite_that_cannot_give_it_is_nobodys_fault_here_and_a_missing_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    cached = tmp_path / "mysql"
    with pytest.raises(ServerMissingError) as never_tried:
        find_mysql(cached)
    assert never_tried.value.is_to_be_had
    monkeypatch.undo()
    with pytest.raises(NotFetchedError):
        fetch_mysql([_make_suite(tmp_path, depends="libgone")], cached=cached)
    monkeypatch.setattr("tests.servers.programs._first", lambda program: None)
    with pytest.raises(ServerMissingError, match="libgone") as broken:
        find_mysql(cached)
    assert not broken.value.is_to_be_had
    monkeypatch.setattr("tests.servers.missing.FOUND_MISSING", {})
    monkeypatch.setenv("PENSTOCK_REQUIRE_SERVERS", "1")
    with pytest.raises(NotToBeHad):
        skip_or_fail(broken.value)
    with pytest.raises(pytest.fail.Exception):
        skip_or_fail(never_tried.value)


def test_mirrors_without_unstable_are_no_reason_to_give_up_mysql_for_good(tmp_path: Path) -> None:
    cached = tmp_path / "mysql"
    with pytest.raises(NotFetchedError, match="none of the mirrors"):
        fetch_mysql([f"deb [trusted=yes] file:{tmp_path / 'nowhere'} sid main"], cached=cached)
    assert not list(tmp_path.iterdir())


def test_a_newer_postgres_that_can_not_be_had_is_told_and_never_replaced_by_the_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = tmp_path / "postgres"
    cached.mkdir()
    with pytest.raises(NotFetchedError, match="postgresql-18"):
        fetch_postgres([_make_suite(tmp_path, depends="libgone")], cached=cached)
    assert cached.exists()
    monkeypatch.setenv("PENSTOCK_TEST_POSTGRES", "newer")
    monkeypatch.setattr("tests.servers.programs.NEWER_POSTGRES", cached)
    with pytest.raises(ServerMissingError, match="fetch_postgres"):
        find_postgres()


def test_the_mirrors_are_those_of_this_machine() -> None:
    for line in sources_of_this_machine():
        assert line.startswith("deb ")
        assert line.endswith(" sid main")


def _make_suite(folder: Path, *, depends: str) -> str:
    """Make a suite whose packages need something that it lacks; return its line for `sources.list`."""
    suite = folder / "suite"
    shutil.rmtree(suite, ignore_errors=True)
    suite.mkdir()
    entries = []
    for package in ("mysql-server-core", "mysql-client-core"):
        control = (
            f"Package: {package}\nVersion: 99\nArchitecture: all\nMaintainer: Nobody <nobody@localhost>\n"
            f"Depends: {depends}\nDescription: none\n"
        )
        root = folder / package / "DEBIAN"
        root.mkdir(parents=True)
        (root / "control").write_text(control, encoding="utf-8")
        deb = suite / f"{package}.deb"
        subprocess.run(["dpkg-deb", "--build", str(root.parent), str(deb)], check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(root.parent)
        entries.append(f"{control}Filename: ./{deb.name}\nSize: {deb.stat().st_size}\n")
    (suite / "Packages").write_text("\n".join(entries), encoding="utf-8")
    return f"deb [trusted=yes] file:{suite} ./"
