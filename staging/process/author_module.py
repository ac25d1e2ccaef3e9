"""Finds what a pipeline names as `package.module:attribute`.

Installed, or beside the pipeline file.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from staging.errors import InputError

_PREFIX = "penstock_author_"
"""Before the names of modules that were loaded by their path."""


def find_attribute(name: str, folders: Sequence[Path], *, what: str, key: str) -> object:
    """Import the module and return the attribute.

    A file in one of the `folders`, else what is installed. A file is loaded by its path and under a name of its own, so
    that it may be called `processor.py` or `json.py`.

    The InputError for something missing names `what` it should be and the pipeline's `key`.
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
    """Return the SHA-256 of the imported module's file.

    None where it has none. It says which code `name` was.
    """
    module_name = name.partition(":")[0]
    module = sys.modules.get(_PREFIX + module_name) or sys.modules.get(module_name)
    file = getattr(module, "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file and Path(file).is_file() else None


def find_file_digest(name: str, folders: Sequence[Path]) -> str | None:
    """Return the SHA-256 of the module's file beside the pipeline.

    None where none lies there. Nothing is imported.
    """
    file = _find_file(name.partition(":")[0], folders)
    return hashlib.sha256(file.read_bytes()).hexdigest() if file is not None else None


def _import(name: str, module_name: str, folders: Sequence[Path], *, what: str, key: str) -> ModuleType:
    from staging.process.user_code import author_code  # noqa: PLC0415 - polars comes with it: only where code is run

    with author_code(f"The {what} {name}", "can't be imported", fix=f"Correct the module, or `{key}`."):
        if (path := _find_file(module_name, folders)) is not None:
            return _load(path, module_name)
        try:
            return importlib.import_module(module_name)
        except ModuleNotFoundError as exc:
            if exc.name is None or not (module_name == exc.name or module_name.startswith(f"{exc.name}.")):
                raise  # the module is there, but imports one that is not
            raise InputError(
                f"There is no module {module_name!r} for the {what} {name}.",
                why=f"{exc.name} is not installed and not in {' or '.join(map(str, folders))}.",
                fix=f"Put the module beside the pipeline file, or correct `{key}`.",
            ) from exc


def _find_file(module_name: str, folders: Sequence[Path]) -> Path | None:
    """Return the file beside the pipeline file; a module inside a package is imported with its package."""
    if "." in module_name:
        return None
    return next((path for folder in folders if (path := folder / f"{module_name}.py").is_file()), None)


def _load(path: Path, module_name: str) -> ModuleType:
    """Run the file, once a process; modules beside it that it imports itself are found after what is installed."""
    name = _PREFIX + module_name
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(path):
        return known
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs, as dataclasses and the like look themselves up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
