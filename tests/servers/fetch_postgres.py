"""Gets a newer PostgreSQL from Debian unstable into the checkout's cache: `python -m tests.servers.fetch_postgres`.

As MySQL (`fetch_mysql`): the packages and all that they need are unpacked, nothing is installed. Each program becomes a
few words of shell that run it by its own loader and libraries, under its own name, so that `initdb` finds `postgres`
beside itself and both find their shared files. Tests take it where PENSTOCK_TEST_POSTGRES is `newer`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tests.servers.fetch_mysql import Apt, NotFetchedError, run, sources_of_this_machine
from tests.servers.programs import NEWER_POSTGRES, NEWER_POSTGRES_VERSION

_PROGRAMS = ("initdb", "postgres", "pg_basebackup", "pg_ctl")
_PLACE = Path("usr/lib/postgresql", NEWER_POSTGRES_VERSION)
_SHARED = Path("usr/share/postgresql", NEWER_POSTGRES_VERSION)
_WRAPPER = """#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../../../../..
exec "$root"/lib/{loader} --library-path "$root"/lib --argv0 "$here"/{name} "$here"/{name}.real "$@"
"""


def fetch_postgres(sources: list[str] | None = None, *, cached: Path = NEWER_POSTGRES) -> None:
    """Fetch the packages and put what runs of them into `cached`; NotFetchedError, and `cached` is as it was."""
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cached.parent, prefix="postgres-fetch-") as name:
        work = Path(name)
        apt = Apt(work / "apt", [f"postgresql{part}-{NEWER_POSTGRES_VERSION}" for part in ("", "-client")])
        if not any(apt.update(line) for line in sources or sources_of_this_machine()):
            raise NotFetchedError("none of the mirrors that apt knows here serves Debian unstable")
        if reason := apt.why_not_installable():
            raise NotFetchedError(f"Debian unstable can't give it at present: {reason}")
        unpacked = work / "unpacked"
        for package in apt.download():
            run(["dpkg-deb", "--extract", str(package), str(unpacked)])
        _keep_what_runs(unpacked, work / "kept")
        shutil.rmtree(cached, ignore_errors=True)
        (work / "kept").rename(cached)
        cached.chmod(0o755)


def _keep_what_runs(unpacked: Path, kept: Path) -> None:
    loader = next(iter(sorted(unpacked.glob("usr/lib/*/ld-linux-*.so.*"))), None)
    if loader is None:
        raise NotFetchedError("its packages bring no loader")
    shutil.copytree(unpacked / _SHARED, kept / _SHARED)
    shutil.copytree(
        unpacked / _PLACE / "lib", kept / _PLACE / "lib", ignore=shutil.ignore_patterns("*llvm*", "bitcode")
    )
    (kept / "lib").mkdir()
    shutil.copy(loader, kept / "lib")
    programs = kept / _PLACE / "bin"
    programs.mkdir()
    # What an extension loads is loaded by the server, with its libraries.
    loaded = [*(unpacked / _PLACE / "bin" / name for name in _PROGRAMS), *(kept / _PLACE / "lib").glob("*.so")]
    for file in loaded:
        listed = run([str(loader), "--library-path", str(loader.parent), "--list", str(file)])
        for library in (Path(word) for word in listed.split() if word.startswith(str(loader.parent))):
            shutil.copy(library, kept / "lib")
    for name in _PROGRAMS:
        shutil.copy(unpacked / _PLACE / "bin" / name, programs / f"{name}.real")
        wrapper = programs / name
        wrapper.write_text(_WRAPPER.format(loader=loader.name, name=name), encoding="utf-8")
        wrapper.chmod(0o755)
    run([str(programs / "postgres"), "--version"])


if __name__ == "__main__":
    try:
        fetch_postgres()
    except NotFetchedError as error:
        sys.exit(f"PostgreSQL {NEWER_POSTGRES_VERSION} was not fetched: {error}")
