"""Sets up this checkout: `uv` from PATH or in a private folder, then .venv exactly as uv.lock says.

Needs nothing but Python's standard library and a package index. A second call does nothing, in a few milliseconds.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
UV_VERSION = "0.13.9"
PRIVATE_UV = CHECKOUT / ".tools" / f"uv-{UV_VERSION}"
# What `make demo` needs: a run on SQLite and a folder.
WANTED = {
    "demo": [
        "--no-dev",
        "--inexact",
        *(f"--extra={extra}" for extra in ("exporter", "processor", "loader", "chain", "sqlite")),
    ],
    "all": ["--all-extras"],
}


def main(argv: list[str]) -> None:
    """Bring .venv to what `argv[0]` names."""
    wanted = argv[0] if argv else "all"
    if wanted not in WANTED:
        sys.exit(f"usage: .ci/setup [{' | '.join(WANTED)}]")
    # What is there already is kept when less is wanted: a demo does not take the tests' packages away.
    locked = _digest_of_lock()
    for more in ("all", wanted):
        if _stamp(more).exists() and _stamp(more).read_text() == locked and _venv_works():
            return
    print(f"Setting up .venv with {sys.executable} {sys.version.split()[0]} …", file=sys.stderr, flush=True)
    if VENV.exists() and not _venv_works():
        shutil.rmtree(VENV)
    _sync(_find_uv() or _install_uv(), WANTED[wanted])
    _compile_ours()
    _stamp(wanted).write_text(locked)


def _stamp(wanted: str) -> Path:
    return VENV / f".penstock-{wanted}"


def _digest_of_lock() -> str:
    texts = [(CHECKOUT / name).read_bytes() for name in ("pyproject.toml", "uv.lock", ".ci/set_up.py")]
    # The environment holds the checkout's path: a folder that was moved is set up again.
    return hashlib.sha256(b"\0".join([*texts, str(CHECKOUT).encode()])).hexdigest()


def _venv_works() -> bool:
    """Whether its Python is still there; a system's upgrade may have taken it away."""
    python = VENV / "bin" / "python"
    return os.access(python, os.X_OK) and (VENV / "pyvenv.cfg").exists()


def _find_uv() -> str | None:
    """Return a uv that pyproject.toml's `required-version` allows: the private one or that on PATH."""
    required = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["uv"]["required-version"]
    least = tuple(int(number) for number in re.findall(r"\d+", required))
    for uv in (shutil.which("uv"), str(PRIVATE_UV / "bin" / "uv")):
        try:
            printed = subprocess.run([uv or "", "--version"], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            continue
        if tuple(int(number) for number in re.findall(r"\d+", printed)[:3]) >= least:
            return uv
    return None


def _install_uv() -> str:
    """Install the pinned uv into a folder of the checkout, and return it."""
    print(f"Installing uv {UV_VERSION} into {PRIVATE_UV.relative_to(CHECKOUT)} …", file=sys.stderr, flush=True)
    shutil.rmtree(PRIVATE_UV, ignore_errors=True)
    package = f"uv=={UV_VERSION}"
    if not _has("ensurepip") and not _has("pip"):
        _install_ensurepip()
    if _has("ensurepip"):
        _run([sys.executable, "-m", "venv", str(PRIVATE_UV)])
        _run([str(PRIVATE_UV / "bin" / "python"), "-m", "pip", "install", "--quiet", package])
    elif _has("pip"):
        _run([sys.executable, "-m", "pip", "install", "--quiet", f"--target={PRIVATE_UV}", package])
    else:
        _stop(
            f"{sys.executable} can neither make virtual environments nor install packages.",
            "It has no `ensurepip` and no `pip`, which Debian and Ubuntu ship apart, and there is no uv on PATH.",
            "apt-get install python3-venv, or install uv (https://docs.astral.sh/uv), and run the same again.",
        )
    return str(PRIVATE_UV / "bin" / "uv")


def _install_ensurepip() -> None:
    """Install what Debian and Ubuntu take out of Python, if it is their Python and that needs no question."""
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    apt = shutil.which("apt-get")
    if apt is None or Path(sys.base_prefix) != Path("/usr") or (root and shutil.which("sudo") is None):
        return
    print("Installing python3-venv …", file=sys.stderr, flush=True)
    quiet = [*root, "env", "DEBIAN_FRONTEND=noninteractive", apt, "-qq", "-o", "Dpkg::Use-Pty=0"]
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", "python3-venv"]):
        subprocess.run([*quiet, *arguments], stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno(), check=False)


def _has(module: str) -> bool:
    return (
        subprocess.run([sys.executable, "-I", "-c", f"import {module}"], capture_output=True, check=False).returncode
        == 0
    )


def _sync(uv: str, arguments: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    environment |= {
        "UV_PROJECT_ENVIRONMENT": str(VENV),
        "UV_PYTHON_DOWNLOADS": "never",
        # Jobs are short processes: to compile polars and the Google clients at first import would cost seconds each.
        "UV_COMPILE_BYTECODE": "1",
    }
    command = [uv, "sync", "--locked", "--python", sys.executable, *arguments]
    _run(command, environment)


def _compile_ours() -> None:
    """Compile this checkout's packages, as an installation has them: it may be run where no bytecode is written."""
    packages = sorted(str(path.parent) for path in CHECKOUT.glob("*/__init__.py"))
    subprocess.run([str(VENV / "bin" / "python"), "-m", "compileall", "-q", *packages], check=False)


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    code = subprocess.run(command, cwd=CHECKOUT, env=environment, check=False).returncode
    if code != 0:
        _stop(
            f"`{' '.join(command)}` ended with {code}.",
            "Its own words stand above.",
            "A package index must be reachable; then run the same again.",
        )


def _stop(what: str, why: str, fix: str) -> None:
    print(f"error: {what}\n  why: {why}\n  fix: {fix}", file=sys.stderr)
    sys.exit(10)


if __name__ == "__main__":
    main(sys.argv[1:])
