"""Imports Cloud Run's messages, and leaves the clients until asked for.

`import google.cloud.run_v2` brings eight clients, each three times, and their HTTP and gRPC libraries: a second of
processor time, longer than the work of a small day. The messages are in a package of their own below it. So the package
is put in its place without being run; access to anything but a message or a module of it runs it (PEP 562), and then it
is as if it had been imported in the usual way. Where somebody has imported it already, nothing is done.

One of the messages' modules imports `google.longrunning.operations_pb2`, which brings grpc and asyncio for a service of
its own. Its messages are in a module beside it: so it is put in its place in the same way.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from types import ModuleType
from typing import Any

_MESSAGES = "google.cloud.run_v2.types"
_LATER = {
    "google.longrunning.operations_pb2": "google.longrunning.operations_proto_pb2",
    "google.cloud.run_v2": _MESSAGES,
}
"""The package that is not run before it is needed, and where its messages are."""


def import_messages() -> ModuleType:
    """Return `google.cloud.run_v2.types`."""
    for name, messages in _LATER.items():
        if name not in sys.modules:
            _put_in_place(name, messages)
    return importlib.import_module(_MESSAGES)


def _put_in_place(name_of_all: str, its_messages: str) -> None:
    spec = importlib.util.find_spec(name_of_all)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name_of_all!r}", name=name_of_all)
    package, loader = importlib.util.module_from_spec(spec), spec.loader
    running: set[int] = set()
    """Threads that run the package just now; two may, as a lock here and those of imports could wait for each other."""

    def find(name: str) -> Any:  # noqa: ANN401 — whatever the package has
        if not name.startswith("_"):
            messages = importlib.import_module(its_messages)
            if hasattr(messages, name):
                return getattr(messages, name)
            inner = f"{name_of_all}.{name}"
            if hasattr(package, "__path__") and importlib.util.find_spec(inner) is not None:
                return importlib.import_module(inner)  # as an import of it would bind it
        if (thread := threading.get_ident()) not in running:
            running.add(thread)
            try:
                loader.exec_module(package)
            finally:
                running.discard(thread)
            package.__dict__.pop("__getattr__", None)
        if name in package.__dict__:
            return package.__dict__[name]
        raise AttributeError(f"module {name_of_all!r} has no attribute {name!r}")

    package.__dict__["__getattr__"] = find
    sys.modules[name_of_all] = package
    parent, _, leaf = name_of_all.rpartition(".")
    setattr(sys.modules[parent], leaf, package)
