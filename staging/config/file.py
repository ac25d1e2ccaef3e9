"""Builds a pipeline from its file, the environment and `--set`.

Flag > environment > file > default. All faults are found at once. Values in the file are taken strictly (`shards =
"32"` is wrong); the environment and `--set` hold only text, which is read as the key needs it.
"""

from __future__ import annotations

import re
import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from staging.config.faults import (
    ANY_NAME,
    describe_fault,
    find_pattern,
    key_of,
    known_keys,
    nearest,
    propose,
    section_model,
)
from staging.config.layers import (
    PipelineFile,
    TextSetting,
    module_folders,
    read_environment,
    read_overrides,
    read_pipeline_file,
    variable_of,
)
from staging.config.pipeline import Pipeline
from staging.config.secret_url import look_up_text_in
from staging.config.sql_file import read_sql
from staging.config.toml_lines import KeyPath, line_of
from staging.errors import InputError

_KEYS = known_keys(Pipeline)
DEFAULT = "default"
_INTEGER = r"[+-]?[0-9]{1,18}"
_NUMBER = rf"{_INTEGER}(\.[0-9]{{1,18}})?"


@dataclass(frozen=True, slots=True)
class Settings:
    """A pipeline and where each of its keys came from.

    `line 3`, a variable, `--set section.key` or `default`.
    """

    pipeline: Pipeline
    origins: dict[KeyPath, str]


def load_pipeline(path: Path, *, environ: Mapping[str, str], overrides: Sequence[str] = ()) -> Pipeline:
    """Return the pipeline.

    One InputError that names every fault with its line and key.
    """
    return load_settings(path, environ=environ, overrides=overrides).pipeline


def load_settings(path: Path, *, environ: Mapping[str, str], overrides: Sequence[str] = ()) -> Settings:
    """Return the pipeline with the origin of each key; raises as `load_pipeline`."""
    file = read_pipeline_file(path, environ)
    flags, bad_flags = read_overrides(overrides)
    faults = [*bad_flags]
    meant: set[KeyPath | None] = set()
    values, origins = _copy(file.values), _file_origins(file)
    for setting in (*read_environment(environ), *flags):
        pattern = find_pattern(setting.path, _KEYS)
        if pattern is None or section_model(_KEYS[pattern]) is not None:
            faults.append(_unknown_setting(setting))
            meant.add(nearest(setting.path, _KEYS))
        elif _put(values, setting):
            origins[setting.path] = setting.origin
    faults += read_sql(values, module_folders(path, environ))
    try:
        pipeline = Pipeline.model_validate(values, context={"look_up": look_up_text_in(environ)})
    except ValidationError as exc:
        raise _all_faults(file, [*_model_faults(exc, file, origins, meant), *faults]) from None
    if faults:
        raise _all_faults(file, faults)
    keys = [key for key, field in _KEYS.items() if section_model(field) is None for key in _named(key, values)]
    return Settings(pipeline, {key: origins.get(key, DEFAULT) for key in keys})


def _copy(values: dict[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, dict) else value for key, value in values.items()}


def _file_origins(file: PipelineFile) -> dict[KeyPath, str]:
    named = [key for each in _KEYS for key in _named(each, file.values)]
    present = [key for key in named if key[0] in file.values and _holds(file.values, key)]
    return {key: f"line {line_of(key, file.lines)}" for key in present}


def _named(key: KeyPath, values: dict[str, Any]) -> list[KeyPath]:
    """Return the key itself, or one for each name where it has a part that the pipeline chooses."""
    if ANY_NAME not in key:
        return [key]
    place = key.index(ANY_NAME)
    inner: Any = values
    for part in key[:place]:
        inner = inner.get(part) if isinstance(inner, dict) else None
    return [(*key[:place], name, *key[place + 1 :]) for name in inner] if isinstance(inner, dict) else []


def _holds(values: dict[str, Any], key: KeyPath) -> bool:
    inner: Any = values
    for part in key:
        if not isinstance(inner, dict) or part not in inner:
            return False
        inner = inner[part]
    return True


def _put(values: dict[str, Any], setting: TextSetting) -> bool:
    """Set the key; False where the file has something else than a section in its place (a fault of its own)."""
    value = _read_text(setting.text, _KEYS[find_pattern(setting.path, _KEYS) or setting.path])
    inner: Any = values
    for part in setting.path[:-1]:
        inner = inner.setdefault(part, {})
        if not isinstance(inner, dict):
            return False
    inner[setting.path[-1]] = value
    return True


def _read_text(text: str, field: FieldInfo) -> Any:  # noqa: ANN401 - as the key needs it
    """Return the text as the key's type where that is possible, else as it is; the model says what is wrong with it."""
    wanted = _types_of(field.annotation)
    if bool in wanted and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if {int, float} & wanted and re.fullmatch(_NUMBER if float in wanted else _INTEGER, text.strip()):
        return float(text) if float in wanted else int(text)
    if tuple in wanted:
        return _read_list(text)
    if dict in wanted:
        return _read_table(text)
    if text == "" and types.NoneType in wanted and field.alias != "schema":
        return None  # `--set source.where=` takes the file's condition away; an empty schema has a meaning of its own
    return text


def _read_list(text: str) -> list[Any]:
    """`amount,fee` or, where a name holds a comma, a TOML list."""
    if text.lstrip().startswith("["):
        try:
            parsed = tomllib.loads(f"list = {text}")["list"]
        except tomllib.TOMLDecodeError:
            parsed = None
        if isinstance(parsed, list):
            return parsed
    return [part.strip() for part in text.split(",")] if text.strip() else []


def _read_table(text: str) -> Any:  # noqa: ANN401 - where it is no table the model says so
    """`NAME=text,OTHER=text`."""
    pairs = [part.partition("=") for part in text.split(",")] if text.strip() else []
    return {name.strip(): value.strip() for name, _, value in pairs} if all(pair[1] for pair in pairs) else text


def _types_of(annotation: Any) -> set[Any]:  # noqa: ANN401 - a type, or one of typing's forms
    origin = get_origin(annotation)
    if origin is Annotated:
        return _types_of(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return {each for argument in get_args(annotation) for each in _types_of(argument)}
    return {origin or annotation}


def _unknown_setting(setting: TextSetting) -> str:
    if setting.origin.startswith("--set"):
        return f"{setting.origin}: there is no such key{propose(setting.path, _KEYS)}"
    near = propose(setting.path, _KEYS).removeprefix("; did you mean ").removesuffix("?").strip("[]")
    meant = f"; did you mean {variable_of(tuple(near.split('.')))}?" if near else ""
    return f"{setting.origin} (environment): there is no such key{meant}"


def _model_faults(
    exc: ValidationError, file: PipelineFile, origins: dict[KeyPath, str], meant: set[KeyPath | None]
) -> list[str]:
    """Return one sentence a key, in the order of the file; a union's errors of one key are one fault.

    A key that is missing because it is misspelt there is no fault of its own; `meant` are such keys of other layers.
    """
    found: dict[KeyPath, tuple[int, str]] = {}
    errors = exc.errors(include_url=False)
    meant |= {nearest(key_of(error, _KEYS), _KEYS) for error in errors if error["type"] == "extra_forbidden"}
    for error in errors:
        path = key_of(error, _KEYS)
        if error["type"] == "missing" and path in meant:
            continue
        line = line_of(path, file.lines)
        where = origins.get(path, f"line {line}" if line else str(file.path.name))
        name = ".".join(path) or "the file"
        sentence = name if not where.startswith("--set") else ""
        text = f"{where}{', ' if sentence else ''}{sentence}: {describe_fault(path, error, _KEYS)}"
        found.setdefault(path, (line or 0, text))
    return [text for _, text in sorted(found.values(), key=lambda each: each[0])]


def _all_faults(file: PipelineFile, faults: list[str]) -> InputError:
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    listed = "".join(f"\n  - {fault}" for fault in faults)
    return InputError(
        f"The settings of {file.path} have {count}:{listed}",
        fix="Correct the file, the variable or the --set. `penstock help` lists every key.",
    )
