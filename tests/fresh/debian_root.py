"""A bare Debian in a folder: what `debootstrap` makes, with what the README asks for and nothing else.

Where packages come from, and who is trusted for it, is what this machine itself uses: its mirrors, its proxies, its
certificates.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.servers.fetch_mysql import mirrors_of_this_machine

SUITES = {"12": "bookworm", "13": "trixie"}
PACKAGES = ("git", "make", "python3", "python3-venv")
HOW_TO_GET = {
    "debootstrap": "apt-get install debootstrap",
    "chroot": "apt-get install coreutils",
    "unshare": "apt-get install util-linux",
}
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# How packages are reached here, which is so in the root too. What else a user has set would make it less fresh.
_REACH = re.compile(r"(PIP|UV)_(INDEX_URL|EXTRA_INDEX_URL|DEFAULT_INDEX|INDEX|CERT|DEFAULT_TIMEOUT|HTTP_TIMEOUT)")
_REACH_MORE = re.compile(
    r"SSL_CERT_FILE|NODE_EXTRA_CA_CERTS|(http|https|all|no)_proxy|GO(PROXY|SUMDB|NOSUMDB|PRIVATE)", re.IGNORECASE
)
_APT_REACH = re.compile(r"Acquire::(http|https|Check-)")
# A namespace of its own: its mounts and all that was started in it end with it.
_ENTER = """
mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount -t tmpfs tmpfs "$0/dev/shm" &&
exec chroot "$0" "$@"
"""


class NoRootError(Exception):
    """There can be no bare Debian here; says why."""


@dataclass(frozen=True, slots=True)
class DebianRoot:
    """A bare Debian."""

    folder: Path

    def run(self, *command: str, folder: str = "/") -> int:
        """Run a command in it, as root, in an environment that says nothing of this machine; return its exit code."""
        given = {name: value for name, value in os.environ.items() if _is_reach(name)}
        environment = given | {
            "PATH": "/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
        }
        words = [f"{name}={value}" for name, value in environment.items()]
        inside = ["env", "-i", *words, "sh", "-c", 'cd "$0" && exec "$@"', folder, *command]
        return _enter(self.folder, inside)


def _is_reach(name: str) -> bool:
    return bool(_REACH.fullmatch(name) or _REACH_MORE.fullmatch(name))


def _enter(folder: Path, command: list[str]) -> int:
    spaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    done = subprocess.run([*spaces, "sh", "-c", _ENTER, str(folder), *command], stdin=subprocess.DEVNULL, check=False)
    return done.returncode


def check_that_it_can_be(
    user: Callable[[], int] = os.geteuid, which: Callable[[str], str | None] = shutil.which
) -> None:
    """Say what is missing on this machine, if anything; NoRootError."""
    missing = [] if user() == 0 else ["the rights of root (debootstrap, mount and chroot need them)"]
    missing += [f"{program} ({how})" for program, how in HOW_TO_GET.items() if which(program) is None]
    if missing:
        raise NoRootError(f"There is no {', and no '.join(missing)}.")


def make_debian_root(release: str, folder: Path) -> DebianRoot:
    """Make Debian of that release in a new folder; NoRootError if none of this machine's mirrors serves it."""
    suite, mirrors = SUITES[release], mirrors_of_this_machine()
    log = folder.with_name(f"{folder.name}.log")
    if not any(_bootstrap(suite, folder, mirror, log) for mirror in mirrors):
        raise NoRootError(f"None of the mirrors that apt knows here gave Debian {release}; see {log}.")
    if _enter(folder, ["true"]) != 0:
        raise NoRootError(f"The rights of root do not go so far here as to mount and chroot in {folder}.")
    _reach_as_here(folder)
    return DebianRoot(folder)


def _bootstrap(suite: str, folder: Path, mirror: str, log: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", suite, str(folder), mirror]
    with log.open("wb") as said:
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False).returncode == 0


def _reach_as_here(folder: Path) -> None:
    """Let it find and trust what this machine does."""
    for path in (_CERTIFICATES, Path("/etc/resolv.conf"), Path("/etc/hosts")):
        if path.exists():
            inside = folder / path.relative_to("/")
            inside.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, inside)
    settings = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
    lines = [line for line in settings.splitlines() if _APT_REACH.match(line)]
    (folder / "etc/apt/apt.conf.d/99reach").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
