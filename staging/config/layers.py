"""Reads settings from a TOML file, the environment and `--set`.

The later wins, and each remembers its origin.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from staging.config.toml_lines import KeyPath, find_key_lines
from staging.errors import InputError

ENVIRONMENT_PREFIX = "PENSTOCK_"
TOP_LEVEL_VARIABLES = {"PENSTOCK_NAME": ("name",)}
"""Keys outside of any section; every other variable without `__` is not a setting."""

_VARIABLE = "env:"
_FILE_SUFFIX = "_FILE"


@dataclass(frozen=True, slots=True)
class PipelineFile:
    """A parsed file and the line of each of its keys."""

    path: Path
    values: dict[str, Any]
    lines: dict[KeyPath, int]


@dataclass(frozen=True, slots=True)
class TextSetting:
    """A setting that came as text.

    `origin` is how its giver would name it: a variable, or `--set section.key`.
    """

    path: KeyPath
    text: str
    origin: str


def read_pipeline_file(path: Path, environ: Mapping[str, str]) -> PipelineFile:
    """Read and parse the file.

    InputError names the line of a syntax fault and shows nothing of the text. `env:NAME` is no file but that variable,
    which holds the same as JSON, as the chain gives it to its jobs.
    """
    if str(path).startswith(_VARIABLE):
        return _read_pipeline_variable(path, environ)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            f"There is no pipeline file {path}.",
            why="--config names it.",
            fix="Give the path of a TOML file; `penstock new` writes one.",
        ) from None
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "It is not UTF-8 text."
        raise InputError(
            f"The pipeline file {path} can't be read.", why=reason or str(exc), fix="Give the path of a TOML file."
        ) from None
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as exc:  # a number of 5,000 digits and a list in 1,000 lists are no TOML errors
        raise InputError(
            f"{path} is not TOML: {_with_line_first(str(exc))}",
            why="Text stands in quotes, sections in [brackets], one `key = value` a line.",
            fix="Correct that line.",
        ) from None
    return PipelineFile(path, values, find_key_lines(text))


def _read_pipeline_variable(path: Path, environ: Mapping[str, str]) -> PipelineFile:
    name = str(path).removeprefix(_VARIABLE)
    try:
        values = json.loads(environ[name])
    except (KeyError, ValueError):
        values = None
    if not isinstance(values, dict):
        raise InputError(
            f"The variable {name} does not hold a pipeline.",
            why="--config names it; it should be a JSON object with the sections of a pipeline file.",
            fix="Start the job by `penstock run`, which sets it, or give the path of a TOML file.",
        )
    return PipelineFile(path, values, {})


def module_folders(path: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return where a pipeline's own modules are looked for.

    Beside its file (at the path given, and at the end of a link), and in the current folder. A pipeline in the variable
    `env:NAME` has its file's path in `NAME_FILE`, if it was read from one; nothing reads that file again.
    """
    file = path
    if str(path).startswith(_VARIABLE):
        file = Path(environ.get(f"{str(path).removeprefix(_VARIABLE)}{_FILE_SUFFIX}", "pipeline.toml"))
    return tuple(dict.fromkeys((file.absolute().parent, file.resolve().parent, Path.cwd())))


def read_environment(environ: Mapping[str, str]) -> list[TextSetting]:
    """Return the settings among the variables.

    `PENSTOCK_SECTION__KEY`, in the order of their names.
    """
    return [TextSetting(_path_of(name), environ[name], name) for name in sorted(environ) if is_setting(name)]


def is_setting(variable: str) -> bool:
    """Return whether a variable of this name sets a key."""
    return variable in TOP_LEVEL_VARIABLES or (variable.startswith(ENVIRONMENT_PREFIX) and "__" in variable)


def _path_of(variable: str) -> KeyPath:
    top = TOP_LEVEL_VARIABLES.get(variable)
    return top or tuple(variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"))


def variable_of(path: KeyPath) -> str:
    """Return the name of the variable that sets this key."""
    return ENVIRONMENT_PREFIX + "__".join(path).upper()


def read_overrides(overrides: Sequence[str]) -> tuple[list[TextSetting], list[str]]:
    """Return the settings of `section.key=value` texts.

    And a fault for each that is none (its value is not shown).
    """
    found, faults = [], []
    for number, override in enumerate(overrides, start=1):
        key, equals, text = override.partition("=")
        if not equals or not re.fullmatch(r"\s*[\w-]+(\.[\w-]+)*\s*", key):
            shown = key.strip() if re.fullmatch(r"[\w.\s-]{1,60}", key) else f"number {number}"
            faults.append(f"--set {shown}: should be written as section.key=value")
            continue
        found.append(TextSetting(tuple(key.strip().split(".")), text, f"--set {key.strip()}"))
    return found, faults


def _with_line_first(message: str) -> str:
    """`Invalid value (at line 3, column 7)` as `line 3, column 7: Invalid value`."""
    match = re.fullmatch(r"(.*) \(at (line \d+, column \d+|end of document)\)", message, re.DOTALL)
    return f"{match[2]}: {match[1]}" if match else message
