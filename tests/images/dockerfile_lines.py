"""Follows a Dockerfile without Docker: the same lines, in a folder that stands for the image's root.

Lines of the system (apt-get, useradd) are noted, not run. What a stage does not copy from the one before is gone, as in
the image. An unknown instruction is an error: a line that is not followed would be a line that is not tested.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from tests.guards import ENVIRONMENT_AT_START
from tests.servers.programs import CHECKOUT, find_uv

_OURS = "penstock-"
"""How the tag of an image of this checkout begins; what comes then names its Dockerfile."""


@dataclass(slots=True)
class Image:
    """What following a Dockerfile made. Paths of the image lie below `root`."""

    root: Path
    workdir: Path = Path("/")
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    entrypoint: list[str] = field(default_factory=list)
    bases: list[str] = field(default_factory=list)
    pip_packages: list[str] = field(default_factory=list)

    def place(self, path: str) -> Path:
        """Return where a path of the image lies here; relative ones start in its working folder."""
        return self.root / (self.workdir / path).relative_to("/")

    def run(self, *arguments: str, program: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the entrypoint (or another program of it) as the image would: its PATH and variables, no others."""
        command = [program or self.entrypoint[0], *self.entrypoint[1:], *arguments]
        inside = {name: self._in_root(value) for name, value in self.environment.items()}
        found = shutil.which(command[0], path=inside["PATH"])
        assert found is not None, f"{command[0]} is not in the image"
        return subprocess.run(
            [found, *command[1:]],
            cwd=self.place("."),
            env=inside | {"HOME": str(self.root)} | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def can_import(self, module: str) -> bool:
        """Whether the image's Python finds a module."""
        find = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"
        return self.run("-c", find, module, program="python").returncode == 0

    def _in_root(self, value: str) -> str:
        return ":".join(
            str(self.root) + entry if entry.startswith(("/app", "/pipelines")) else entry for entry in value.split(":")
        )


def follow(dockerfile: Path, root: Path, **arguments: str) -> Image:
    """Return the image that the lines make below `root`, with these build arguments."""
    image = Image(root)
    kept: list[Path] = []
    for word, rest in _instructions(dockerfile, arguments):
        match word:
            case "FROM" if rest.startswith(_OURS):
                image = follow(dockerfile.with_name(f"{rest.removeprefix(_OURS)}.Dockerfile"), root)
                kept = list(root.iterdir())
            case "FROM":
                # A stage starts from its base: nothing of the stage before is there until it is copied.
                image = Image(root, bases=[*image.bases, rest.split()[0]], pip_packages=image.pip_packages)
                image.environment["PATH"] = "/usr/local/bin:/usr/bin:/bin"
                kept = []
            case "ENV":
                _set_variables(image, rest)
            case "WORKDIR":
                image.workdir = image.workdir / rest
                image.place(".").mkdir(parents=True, exist_ok=True)
            case "COPY":
                kept += _copy(image, rest.split())
            case "RUN":
                _run(image, rest)
            case "USER":
                image.user = rest
            case "ENTRYPOINT":
                image.entrypoint = [word.strip(' "') for word in rest.strip("[]").split(",")]
            case _:
                raise AssertionError(f"{dockerfile.name}: {word} is not followed")
    _remove_all_but(root, [*kept, image.place(".")])
    return image


def _set_variables(image: Image, settings: str) -> None:
    for setting in shlex.split(settings):
        name, _, value = setting.partition("=")
        image.environment[name] = value.replace("$PATH", image.environment["PATH"])


def _instructions(dockerfile: Path, arguments: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Give words and what follows them; arguments stand where ARG has named them."""
    lines = [line for line in dockerfile.read_text().splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    given: dict[str, str] = {}
    for line in joined.splitlines():
        word, _, rest = line.partition(" ")
        if word == "ARG":
            name, _, default = rest.strip().partition("=")
            given[name] = arguments.get(name, default)
        else:
            yield word, Template(rest.strip()).safe_substitute(given)


def _copy(image: Image, words: list[str]) -> list[Path]:
    *sources, target = [word for word in words if not word.startswith("--")]
    if words[0].startswith("--from="):
        # A virtual environment names its own path: it works nowhere else.
        assert sources == [target], words
        return [image.place(target)]
    for source in sources:
        path = CHECKOUT / source
        to = image.place(target)
        if path.is_dir():
            shutil.copytree(path, to, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, to if not target.endswith("/") else to / path.name)
    return []


def _run(image: Image, line: str) -> None:
    words = shlex.split(line)
    match words[:2]:
        case ["pip", "install"]:
            image.pip_packages += [word for word in words[2:] if not word.startswith(("-", "/"))]
            if "--target" in words:
                _install_into(image, words)
        case ["uv", "sync"]:
            # The user's own index and cache; links instead of copies and no compiling: the same files, sooner.
            environment = ENVIRONMENT_AT_START | image.environment
            environment |= {"UV_PYTHON": sys.executable, "UV_LINK_MODE": "hardlink", "UV_COMPILE_BYTECODE": "0"}
            environment["PATH"] = ENVIRONMENT_AT_START.get("PATH", os.defpath)
            for name in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "PYTHONPATH"):
                environment.pop(name, None)
            done = subprocess.run(
                [find_uv(), *words[1:]],
                cwd=image.place("."),
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        case ["find", _]:
            subprocess.run(["/bin/sh", "-c", line], cwd=image.place("."), check=True)
        case ["useradd", _]:
            pass
        case _:
            raise AssertionError(f"RUN {line} is not followed")


def _install_into(image: Image, words: list[str]) -> None:
    """What pip would put there, by uv: from the requirements that the image holds."""
    target, requirements = (image.place(words[words.index(flag) + 1]) for flag in ("--target", "--requirement"))
    command: list[str | Path] = [
        find_uv(),
        "pip",
        "install",
        "--python",
        sys.executable,
        "--target",
        target,
        "--requirement",
        requirements,
    ]
    done = subprocess.run(command, env=ENVIRONMENT_AT_START, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _remove_all_but(root: Path, kept: list[Path]) -> None:
    for folder in root.iterdir():
        if folder in kept:
            continue
        if any(path.is_relative_to(folder) for path in kept):
            _remove_all_but(folder, kept)
        elif folder.is_dir():
            shutil.rmtree(folder)
        else:
            folder.unlink()
