"""Gets MySQL's server from Debian unstable into the checkout's cache; nothing is installed and no right is needed.

Debian's stable suites have MariaDB alone. The packages, and all that they need down to the C library, are fetched
through a state of apt's of its own, from the mirrors that this machine's apt knows, and unpacked. MySQL is then run by
its own loader (`find_mysql`), so that the machine's libraries don't matter.

A set that was fetched stays: another takes its place only when it is whole and runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.servers.programs import MYSQL_CACHED, MYSQL_NOT_TO_BE_HAD, loader_command

PACKAGES = ("mysql-server-core", "mysql-client-core")
PROGRAMS = ("usr/sbin/mysqld", "usr/bin/mysql")
_SUITE = "sid"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_UNMET = "The following packages have unmet dependencies:"
_TOOLS = ("apt-get", "apt-config", "dpkg-deb")


class NotFetchedError(Exception):
    """MySQL could not be fetched; says why."""


def fetch_mysql(sources: list[str] | None = None, *, cached: Path = MYSQL_CACHED) -> None:
    """Fetch the newest packages and put what runs of them into `cached`; NotFetchedError, and `cached` is as it was.

    `sources` are lines of an apt `sources.list` to try in turn; of this machine's mirrors, if not given. When the suite
    is there but can't give the packages, which nobody here can mend, a note of it is left beside `cached`.
    """
    note = cached.with_name(MYSQL_NOT_TO_BE_HAD.name)
    note.unlink(missing_ok=True)
    if missing := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        raise NotFetchedError(f"there is no {missing[0]} here")
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cached.parent, prefix="mysql-fetch-") as name:
        work = Path(name)
        apt = Apt(work / "apt", PACKAGES)
        if not any(apt.update(line) for line in sources or sources_of_this_machine()):
            raise NotFetchedError("none of the mirrors that apt knows here serves Debian unstable")
        if reason := apt.why_not_installable():
            note.write_text(f"Debian unstable can't give it at present: {reason}\n", encoding="utf-8")
            raise NotFetchedError(note.read_text(encoding="utf-8").strip())
        unpacked = work / "unpacked"
        for package in apt.download():
            run(["dpkg-deb", "--extract", str(package), str(unpacked)])
        _keep_what_runs(unpacked, work / "mysql")
        shutil.rmtree(cached, ignore_errors=True)
        (work / "mysql").rename(cached)


def sources_of_this_machine() -> list[str]:
    """Return a line for Debian unstable at each mirror of this machine's apt, in its order."""
    signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
    return [f"deb {signed}{mirror} {_SUITE} main" for mirror in mirrors_of_this_machine()]


def mirrors_of_this_machine() -> list[str]:
    """Return the URLs that this machine's apt has its main packages from, in its order."""
    targets = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Component: main"]
    done = subprocess.run(targets, capture_output=True, text=True, check=False)
    return list(dict.fromkeys(done.stdout.split()))


class Apt:
    """apt with a state of its own, in which nothing is installed: so all that a package needs is fetched, too."""

    def __init__(self, folder: Path, packages: Sequence[str]) -> None:
        self._folder = folder
        self._packages = packages
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        settings = {
            "Dir::Etc::SourceList": folder / "sources.list",
            "Dir::Etc::SourceParts": "-",
            # What this machine pins is of its own suite.
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State::Lists": folder / "lists",
            "Dir::State::Status": folder / "status",
            "Dir::Cache": folder / "cache",
            "APT::Install-Recommends": "false",
            "APT::Update::Error-Mode": "any",
            "Acquire::Languages": "none",
            # As root, apt would fetch as a user who may not be allowed to look into the checkout.
            "APT::Sandbox::User": "root",
            "Debug::NoLocking": "true",
        }
        lines = [f'{key} "{value}";\n' for key, value in settings.items()]
        (folder / "apt.conf").write_text("".join(lines), encoding="utf-8")

    def update(self, line: str) -> bool:
        """Whether this line of sources could be read."""
        (self._folder / "sources.list").write_text(f"{line}\n", encoding="utf-8")
        return self._apt("update", "-qq").returncode == 0

    def why_not_installable(self) -> str:
        """Return apt's words if the suite can't give the packages with all they need; empty if it can."""
        done = self._apt("install", "--simulate", "-q", "-y", *self._packages)
        reason = done.stdout.partition(_UNMET)[2] or done.stdout
        return "" if done.returncode == 0 else " ".join(reason.split())

    def download(self) -> list[Path]:
        """Download the packages and what they need; NotFetchedError."""
        done = self._apt("install", "--download-only", "-qq", "-y", *self._packages)
        if done.returncode != 0:
            raise NotFetchedError(f"apt could not download it: {' '.join(done.stdout.split())}")
        return sorted((self._folder / "cache" / "archives").glob("*.deb"))

    def _apt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "APT_CONFIG": str(self._folder / "apt.conf"), "LC_ALL": "C"}
        return subprocess.run(
            ["apt-get", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


def _keep_what_runs(unpacked: Path, kept: Path) -> None:
    """Copy the programs with the libraries they load, plugins, messages and character sets: a third of what came."""
    loader = next(iter(sorted(unpacked.glob("usr/lib/*/ld-linux-*.so.*"))), None)
    if loader is None:
        raise NotFetchedError("its packages bring no loader")
    for folder in ("bin", "lib"):
        (kept / folder).mkdir(parents=True)
    for name in PROGRAMS:
        program = unpacked / name
        if not program.exists():
            raise NotFetchedError(f"its packages bring no {program.name}")
        shutil.copy(program, kept / "bin")
        listed = run([str(loader), "--library-path", str(loader.parent), "--list", str(program)])
        for library in (Path(word) for word in listed.split() if word.startswith(str(loader.parent))):
            shutil.copy(library, kept / "lib")
    shutil.copy(loader, kept / "lib")
    large = shutil.ignore_patterns("*_client.so")
    shutil.copytree(unpacked / "usr/lib/mysql/plugin", kept / "plugin", ignore=large)
    for name in ("english", "charsets"):
        shutil.copytree(unpacked / "usr/share/mysql" / name, kept / "share" / name)
    run([*loader_command(kept), "--no-defaults", "--version"])


def run(command: list[str]) -> str:
    """Run a command and return what it said; NotFetchedError."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        raise NotFetchedError(f"{command[0]} failed: {done.stdout.strip()}")
    return done.stdout


if __name__ == "__main__":
    try:
        fetch_mysql()
    except NotFetchedError as error:
        sys.exit(f"MySQL was not fetched: {error}")
