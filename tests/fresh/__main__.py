"""Runs demo and tests on bare Debian: `python -m tests.fresh [--if-possible] [pytest's arguments]` (`make fresh`).

What was committed is cloned into the root of each release, where `make demo` and `make test` install what they need by
themselves. FRESH="13" tries that release alone. Where there can be no such root it says why, and ends with 10; with
`--if-possible`, as in `make nightly`, with 0.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tests.fresh.debian_root import SUITES, DebianRoot, NoRootError, check_that_it_can_be, make_debian_root
from tests.servers.install import install_packages, may_install
from tests.servers.programs import CHECKOUT

_CHECKOUT_INSIDE = "/root/penstock"
_ROOTS = CHECKOUT / ".cache" / "fresh"
_IF_POSSIBLE = "--if-possible"


def main(arguments: list[str]) -> int:
    """Try each release; return 0 if all went well, 1 if something failed, 10 if nothing could be tried."""
    for_pytest = [each for each in arguments if each != _IF_POSSIBLE]
    failed = []
    try:
        if shutil.which("debootstrap") is None and may_install():
            install_packages(["debootstrap"])
        check_that_it_can_be()
        for release in os.environ.get("FRESH", "").split() or SUITES:
            _say(f"Debian {release}: debootstrap")
            root = make_debian_root(release, _ROOTS / f"debian-{release}")
            failed += [f"{what} on Debian {release}" for what in _try(root, for_pytest)]
    except NoRootError as error:
        _say(f"not tried on a bare Debian: {error}")
        return 0 if _IF_POSSIBLE in arguments else 10
    _say(f"failed: {', '.join(failed)}; the root is left in {_ROOTS}" if failed else "demo and tests: all went well")
    return 1 if failed else 0


def _try(root: DebianRoot, for_pytest: list[str]) -> list[str]:
    """Return what failed; the root stays only then."""
    _clone(root.folder)
    steps = {"demo": ["make", "demo"], "tests": ["make", "test", f"ARGS={shlex.join(for_pytest)}"]}
    failed = []
    root.run("python3", "--version")
    for what, command in steps.items():
        _say(f"{root.folder.name}: {shlex.join(command)}")
        if root.run(*command, folder=_CHECKOUT_INSIDE) != 0:
            failed.append(what)
    if not failed:
        shutil.rmtree(root.folder)
    return failed


def _clone(folder: Path) -> None:
    git = ["git", "clone", "--quiet", "--no-hardlinks", str(CHECKOUT), str(folder / _CHECKOUT_INSIDE.strip("/"))]
    subprocess.run(git, check=True)
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=CHECKOUT, capture_output=True, check=True).stdout
    if changed:
        _say("what is not committed is not tried")


def _say(text: str) -> None:
    print(f"fresh: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
