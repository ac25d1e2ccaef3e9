"""Imports Cloud Run's messages, and leaves the clients until asked for.

`import google.cloud.run_v2` brings eight clients, each three times, and what they speak HTTP and gRPC with: a second of
processor time, longer than a small day works. The messages are in a package of their own below it. So the package is
put in its place without being run; what is neither a message nor a module of it runs it (PEP 562), and then it is as if
it had been imported in the usual way. Where somebody has imported it already, nothing is done.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from types import ModuleType
from typing import Any

_PARENT, _NAME = "google.cloud", "run_v2"
_PACKAGE = f"{_PARENT}.{_NAME}"


def import_messages() -> ModuleType:
    """Return `google.cloud.run_v2.types`."""
    if _PACKAGE not in sys.modules:
        _put_in_place()
    return importlib.import_module(f"{_PACKAGE}.types")


def _put_in_place() -> None:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {_PACKAGE!r}", name=_PACKAGE)
    package, loader = importlib.util.module_from_spec(spec), spec.loader
    running: set[int] = set()
    """Threads that run the package just now; two may, as a lock here and those of imports could wait for each other."""

    def find(name: str) -> Any:  # noqa: ANN401 — whatever the package has
        if not name.startswith("_"):
            messages = importlib.import_module(f"{_PACKAGE}.types")
            if hasattr(messages, name):
                return getattr(messages, name)
            if importlib.util.find_spec(f"{_PACKAGE}.{name}") is not None:  # as an import of it would bind it
                return importlib.import_module(f"{_PACKAGE}.{name}")
        if (thread := threading.get_ident()) not in running:
            running.add(thread)
            try:
                loader.exec_module(package)
            finally:
                running.discard(thread)
            package.__dict__.pop("__getattr__", None)
        if name in package.__dict__:
            return package.__dict__[name]
        raise AttributeError(f"module {_PACKAGE!r} has no attribute {name!r}")

    package.__dict__["__getattr__"] = find
    sys.modules[_PACKAGE] = package
    setattr(sys.modules[_PARENT], _NAME, package)
