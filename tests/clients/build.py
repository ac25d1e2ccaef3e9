"""Clients of other languages and tools, built from their registries by lock files, once: kept in .cache/clients."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.clients.toolchains import CACHE, find_go, find_node
from tests.guards import ENVIRONMENT_AT_START
from tests.servers.programs import find_uv

HERE = Path(__file__).parent


def build_node_client() -> list[str]:
    """Return the command that drives the emulator with @google-cloud/run; ServerMissingError without Node."""
    node, npm = find_node()
    folder = CACHE / f"node-client-{_digest('node/package.json', 'node/package-lock.json')}"
    if not (folder / "whole").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / "node" / name, folder)
        _run([*npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
        (folder / "whole").touch()
    shutil.copy(HERE / "node" / "drive.js", folder)
    return [node, str(folder / "drive.js")]


def build_go_client() -> list[str]:
    """Return the command that drives the emulator with cloud.google.com/go/run; ServerMissingError without Go."""
    return [str(_build_go("go", "client"))]


def build_collector() -> str:
    """Return the OpenTelemetry Collector, built of its own modules; ServerMissingError without Go."""
    return str(_build_go("otelcol", "otelcol"))


def _build_go(name: str, program_name: str) -> Path:
    go = find_go()
    digest = _digest(f"{name}/go.mod", f"{name}/go.sum", f"{name}/main.go")
    program = CACHE / f"{name}-client-{digest}" / program_name
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        partial = program.with_suffix(".partial")
        _run([go, "build", "-trimpath", "-o", str(partial), "."], HERE / name)
        partial.rename(program)
    return program


def build_python_client(name: str) -> list[str]:
    """Return the command that drives the emulator with a tool in an environment of its own; ServerMissingError."""
    uv = find_uv()
    folder = CACHE / f"{name}-{_digest(f'{name}/pyproject.toml', f'{name}/uv.lock')}"
    if not (folder / "whole").exists():
        command = [uv, "sync", "--locked", "--no-install-project", "--quiet", "--project", str(HERE / name)]
        _run(command, HERE / name, UV_PROJECT_ENVIRONMENT=str(folder))
        (folder / "whole").touch()
    return [str(folder / "bin" / "python"), str(HERE / name / "drive.py")]


def _digest(*names: str) -> str:
    return hashlib.sha256(b"".join((HERE / name).read_bytes() for name in names)).hexdigest()[:16]


def _run(command: list[str], folder: Path, **variables: str) -> None:
    foreign = ("GOOS", "GOARCH", "GOROOT", "GOEXPERIMENT", "VIRTUAL_ENV")
    environment = {name: value for name, value in ENVIRONMENT_AT_START.items() if name not in foreign}
    environment |= {"GOTOOLCHAIN": "local", "GOWORK": "off", "PATH": os.environ["PATH"], **variables}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
