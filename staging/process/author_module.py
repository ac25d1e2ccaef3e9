"""Finds what a pipeline names as `package.module:attribute`: installed, or beside the pipeline file."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from staging.errors import InputError
from staging.process.user_code import author_code


def find_attribute(name: str, folders: Sequence[Path], *, what: str, key: str) -> object:
    """Import the module and return the attribute; `folders` are searched after what is installed.

    `what` it is meant to be and the pipeline's `key` stand in the InputError that says what is missing.
    """
    module_name, _, attribute = name.partition(":")
    # At the end: a user's `json.py` beside the pipeline file must not replace the standard library's for us.
    sys.path.extend(str(folder) for folder in folders if str(folder) not in sys.path)
    module = _import(name, module_name, folders, what=what, key=key)
    found = getattr(module, attribute, None)
    if found is None:
        near = difflib.get_close_matches(attribute, [a for a in vars(module) if not a.startswith("_")], n=1)
        raise InputError(
            f"The module {module_name} has no {attribute!r}.",
            why=f"It was found at {module.__file__ or 'an unknown place'}.",
            fix=f"Did you mean {module_name}:{near[0]}?" if near else f"Correct `{key}`.",
        )
    return found


def find_source_digest(name: str) -> str | None:
    """Return the SHA-256 of the imported module's file, None where it has none: which code `name` stood for."""
    file = getattr(sys.modules.get(name.partition(":")[0]), "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file and Path(file).is_file() else None


def _import(name: str, module_name: str, folders: Sequence[Path], *, what: str, key: str) -> ModuleType:
    with author_code(f"The {what} {name}", "can't be imported", fix=f"Correct the module, or `{key}`."):
        try:
            return importlib.import_module(module_name)
        except ModuleNotFoundError as exc:
            if exc.name is None or not (module_name == exc.name or module_name.startswith(f"{exc.name}.")):
                raise  # the module is there and itself imports one that is not
            raise InputError(
                f"There is no module {module_name!r} for the {what} {name}.",
                why=f"{exc.name} is not installed and not in {' or '.join(map(str, folders))}.",
                fix=f"Put the module beside the pipeline file, or correct `{key}`.",
            ) from exc
