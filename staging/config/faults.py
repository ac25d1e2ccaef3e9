"""Says what is wrong with a pipeline file.

No value of a URL or of an unknown key is ever shown.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Collection
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from staging.config.toml_lines import KeyPath

ANY_NAME = "NAME"
"""Part of a key that the pipeline chooses: `source.with.NAME.table`."""

_SHOWN_CHARACTERS = 40


def known_keys(model: type[BaseModel]) -> dict[KeyPath, FieldInfo]:
    """Return every key of a pipeline file, `("source", "url")` and so on.

    Sections themselves are included.
    """
    found: dict[KeyPath, FieldInfo] = {}
    for name, field in model.model_fields.items():
        path: KeyPath = (field.alias or name,)
        found[path] = field
        if section := section_model(field):
            if get_origin(field.annotation) is dict:
                path = (*path, ANY_NAME)
                found[path] = FieldInfo(annotation=section)
            found |= {path + inner: inner_field for inner, inner_field in known_keys(section).items()}
    return found


def find_pattern(path: KeyPath, keys: Collection[KeyPath]) -> KeyPath | None:
    """Return the known key that the path is, or None.

    It has `NAME` where the path has a name that the pipeline chooses.
    """
    if path in keys:
        return path
    return next((each for each in keys if ANY_NAME in each and _is_of(path, each)), None)


def _is_of(path: KeyPath, pattern: KeyPath) -> bool:
    return len(path) == len(pattern) and all(b in (ANY_NAME, a) for a, b in zip(path, pattern, strict=True))


def section_model(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a field that is a section, else None.

    Or of a field that is several sections, by name.
    """
    annotation = field.annotation
    if get_origin(annotation) is dict:
        annotation = get_args(annotation)[-1]
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def key_of(error: ErrorDetails, keys: dict[KeyPath, FieldInfo]) -> KeyPath:
    """Return the key an error belongs to.

    A union's error carries the branch behind it, a list's the index.
    """
    path = tuple(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return path
    if path and find_pattern(alias := (*path[:-1], path[-1].removesuffix("_")), keys) is not None:
        path = alias  # a default that was validated is called by its field's name
    while path and find_pattern(path, keys) is None:
        path = path[:-1]
    return path


def describe_fault(path: KeyPath, error: ErrorDetails, keys: dict[KeyPath, FieldInfo]) -> str:
    """Return what is wrong with one key, without the key."""
    if error["type"] == "extra_forbidden":
        return f"there is no such key{propose(path, keys)}"
    pattern = find_pattern(path, keys)
    field = keys[pattern] if pattern is not None else None
    if error["type"] == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    if field is None:
        return str(error["msg"])
    if error["type"] == "missing":
        more = error.get("ctx", {}).get("more", "")
        return (
            f"is missing{more and ', '}{more}"
            if section_model(field) is None
            else f"the section [{path[0]}] is missing"
        )
    if section_model(field) is not None:
        named = f".{ANY_NAME}" if get_origin(field.annotation) is dict else ""
        return f"should be a section, [{'.'.join(path)}{named}] on a line of its own"
    return f"should be {expected(field)}{_not(error['input'])}"


def propose(path: KeyPath, keys: dict[KeyPath, FieldInfo]) -> str:
    """Return `; did you mean …?` for an unknown key.

    Or nothing where no key is near.
    """
    near = nearest(path, keys)
    if near is None:
        return ""
    is_section = section_model(keys[find_pattern(near, keys) or near]) is not None
    return f"; did you mean {'[' if is_section else ''}{'.'.join(near)}{']' if is_section else ''}?"


def nearest(path: KeyPath, keys: dict[KeyPath, FieldInfo]) -> KeyPath | None:
    """Return the key one probably meant.

    Of its section, then of that name elsewhere, then by the whole text.
    """
    siblings = {key[-1]: (*path[:-1], key[-1]) for key in keys if find_pattern(path[:-1], [key[:-1]]) is not None}
    if close := difflib.get_close_matches(path[-1], siblings, n=1, cutoff=0.6):
        return siblings[close[0]]
    if elsewhere := [key for key in keys if key[-1] == path[-1]]:
        return elsewhere[0]
    whole = {".".join(key): key for key in keys if (len(key) > 1) == (len(path) > 1)}
    close = difflib.get_close_matches(".".join(path), whole, n=1, cutoff=0.6)
    return whole[close[0]] if close else None


def expected(field: FieldInfo) -> str:
    """Return what a key takes.

    Such as `a whole number from 1 to 10000 or "auto"`.
    """
    return _expected(field.annotation, tuple(field.metadata))


def _expected(annotation: Any, metadata: tuple[Any, ...]) -> str:  # noqa: ANN401 - a type, or one of typing's forms
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = [m for extra in arguments[1:] for m in (extra.metadata if isinstance(extra, FieldInfo) else [extra])]
        return _expected(arguments[0], (*metadata, *inner))
    if origin in (Union, types.UnionType):
        choices = [_expected(each, metadata) for each in arguments if each is not types.NoneType]
        return (", or " if any("," in choice for choice in choices[:-1]) else " or ").join(choices)
    if origin is Literal:
        return " or ".join(f'"{each}"' for each in arguments)
    if origin in (tuple, dict):
        return _expected_many(origin, metadata)
    if annotation in (int, float):
        shown = _expected_number(metadata)
        return shown if annotation is int else shown.replace("whole ", "")
    return "true or false" if annotation is bool else "a text in quotes, not empty"


def _expected_many(origin: type, metadata: tuple[Any, ...]) -> str:
    if origin is dict:
        return 'a table of NAME = "text"'
    at_least_one = any(isinstance(m, MinLen) for m in metadata)
    return f'a list of texts such as ["amount"]{", at least one" if at_least_one else ""}'


def _expected_number(metadata: tuple[Any, ...]) -> str:
    low = next((m.ge for m in metadata if isinstance(m, Ge)), None)
    high = next((m.le for m in metadata if isinstance(m, Le)), None)
    if low is not None and high is not None:
        return f"a whole number from {low} to {high}"
    return f"a whole number, at least {low}" if low is not None else "a whole number"


def _not(value: object) -> str:
    """Return `, not …`, unless the value may be a secret in the wrong place."""
    shown = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else None
    shown = shown or (f'the text "{value}"' if isinstance(value, str) else repr(value))
    return "" if len(shown) > _SHOWN_CHARACTERS or "://" in shown or "@" in shown else f", not {shown}"
