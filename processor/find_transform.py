"""Finds the transform that the pipeline names as `package.module:attribute`."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from processor.transform import Transform
from processor.user_code import user_code
from staging.errors import InputError


def find_transform(name: str, folders: Sequence[Path]) -> Transform:
    """Import and return it; `folders` are searched after what is installed. InputError says what is missing."""
    module_name, _, attribute = name.partition(":")
    # At the end: a user's `json.py` beside the pipeline file must not replace the standard library's for us.
    sys.path.extend(str(folder) for folder in folders if str(folder) not in sys.path)
    module = _import(name, module_name, folders)
    found = getattr(module, attribute, None)
    if found is None:
        near = difflib.get_close_matches(attribute, [a for a in vars(module) if not a.startswith("_")], n=1)
        raise InputError(
            f"The module {module_name} has no {attribute!r}.",
            why=f"It was found at {module.__file__ or 'an unknown place'}.",
            fix=f"Did you mean {module_name}:{near[0]}?" if near else "Correct `process.transform`.",
        )
    if not isinstance(found, Transform):
        raise InputError(
            f"{name} is no transform.",
            why=f"It is of type {type(found).__name__}.",
            fix="Write `name = Transform(contract=…, apply=…)`, from processor.transform, and name that.",
        )
    return found


def _import(name: str, module_name: str, folders: Sequence[Path]) -> ModuleType:
    with user_code(name, "can't be imported"):
        try:
            return importlib.import_module(module_name)
        except ModuleNotFoundError as exc:
            if exc.name is None or not (module_name == exc.name or module_name.startswith(f"{exc.name}.")):
                raise  # the module is there and itself imports one that is not
            raise InputError(
                f"There is no module {module_name!r} for the transform {name}.",
                why=f"{exc.name} is not installed and not in {' or '.join(map(str, folders))}.",
                fix="Put the module beside the pipeline file, or correct `process.transform`.",
            ) from exc
