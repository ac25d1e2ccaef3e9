"""Reads a day from a Python function.

It is called once and gives record batches until it ends. `function(day, start, end)` gets the business day and its
window as two aware instants in UTC, and returns an iterable (a generator, most often) of anything that speaks Arrow:
pyarrow's RecordBatch and Table, polars' frames and lazy frames, pandas' frames, DuckDB's results; or one such frame,
which is the whole day. The first one declares the columns; each later one must have the same. Retries are the
function's own: what it raises ends the export. When the export is stopped or fails, the generator is closed. It may be
continued in another thread than the one it began in, never in two at once.
"""

from __future__ import annotations

import hashlib
import inspect
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from exporter.arrow.read import ArrowRows
from exporter.arrow.types import describe_field
from exporter.port.source import SourceColumn
from staging.errors import InputError, PenstockError
from staging.process.author_module import find_attribute
from staging.process.user_code import author_code
from staging.window import Window

_FIX = "Correct the function; it can be tried with Python alone: list(function(day, start, end))."
_ADAPTERS = ("builtins", "itertools")
_ARROW = ("__arrow_c_stream__", "__arrow_c_array__")


@contextmanager
def open_python(
    name: str, day: date, window: Window, now: Callable[[], datetime], folders: Sequence[Path]
) -> Iterator[ArrowRows]:
    """Call the function and take its first batch.

    Raises as the module says.
    """
    function = _find(name, folders)
    as_of = now()  # what is asked for later may be younger, never older
    calls = _Calls(name, function, day, window)
    try:
        first = calls.first()
        yield ArrowRows(
            dialect="python",
            version=platform.python_version(),
            identity=name,
            place=name,
            statement=f"{name}({day}, {window.start}, {window.end})",
            as_of=as_of,
            estimate=None,
            describe=lambda: _describe(first[0].schema),
            batches=lambda _: chain(first, calls.others(first[0].schema)),
            evidence=lambda: {"module_sha256": _module_digest(function)},
        )
    except BaseException:
        with suppress(PenstockError):  # what ended the export is raised, not what the function says to its end
            calls.close()
        raise
    calls.close()


def describe_python(name: str, day: date, window: Window, folders: Sequence[Path]) -> Mapping[str, SourceColumn]:
    """Return the columns of the first batch of some day.

    The function is closed then.
    """
    with open_python(name, day, window, lambda: window.end, folders) as rows:
        return rows.describe()


def _find(name: str, folders: Sequence[Path]) -> Callable[..., Any]:
    found = find_attribute(name, folders, what="source", key="source.python")
    if not callable(found):
        raise InputError(
            f"The source {name} is no function.",
            why=f"It is of type {type(found).__name__}.",
            fix="Write `def name(day, start, end)` that yields batches, and name that.",
        )
    return found


class _Calls:
    """One call of the function, batch by batch; whatever it raises becomes an error with the author's lines."""

    def __init__(self, name: str, function: Callable[..., Any], day: date, window: Window) -> None:
        self._name = name
        with self._author("can't be called"):
            self._given = function(day, window.start, window.end)
            self._batches = self._iterate(self._given)

    def first(self) -> list[pa.RecordBatch]:
        """Return the batches of the first thing it gives, at least one; InputError when it gives none at all."""
        for batches in self._each():
            return batches
        raise InputError(
            f"The source {self._name} gave no batch.",
            why="The first batch says which columns there are, so a day without rows needs one, too.",
            fix="Yield an empty frame with the right columns and types when there is no row.",
        )

    def others(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Give all later batches; InputError for the first that has other columns than the first one."""
        expected = _columns(schema)
        for number, batches in enumerate(self._each(), start=2):
            if (found := _columns(batches[0].schema)) != expected:
                different = dict(set(found) ^ set(expected)) or dict(found)
                raise InputError(
                    f"The source {self._name} changed its columns: batch {number} differs in "
                    f"{', '.join(sorted(different))}.",
                    why=f"The first batch has {_shown(expected)}; this one has {_shown(found)}.",
                    fix="Give every batch the same names and types in the same order: build it with a schema. "
                    "Nothing was exported.",
                )
            yield from batches

    def close(self) -> None:
        """End the generator, so that its `finally` runs; what it raises then is an error, too."""
        if (close := getattr(self._batches, "close", None)) is not None:
            with self._author("raised while it was closed"):
                close()

    def _iterate(self, given: Any) -> Iterator[Any]:  # noqa: ANN401 - whatever the function returned
        """Return an iterator over batches; a frame that was returned instead of yielded is the only one."""
        if _is_frame(given) and not hasattr(given, "__next__"):
            return iter([given])
        if inspect.iscoroutine(given) or inspect.isasyncgen(given):
            if inspect.iscoroutine(given):
                given.close()
            raise self._no_batches(given, "It is an `async def`, and nobody awaits it.")
        if given is None:
            raise self._no_batches(given, "It has no `yield`, and no `return` with a value was reached.")
        if isinstance(given, str | bytes | dict) or not hasattr(given, "__iter__"):
            raise self._no_batches(given, f"A {type(given).__name__} is neither a frame nor an iterable of frames.")
        return iter(given)

    def _no_batches(self, given: object, why: str) -> InputError:
        return InputError(
            f"The source {self._name} can't be called for batches: it returned a {type(given).__name__}.",
            why=why,
            fix="Write `def read(day, start, end)` that yields frames, or returns one, or an iterable of them.",
        )

    def _each(self) -> Iterator[list[pa.RecordBatch]]:
        while True:
            with self._author("raised"):
                try:
                    given = next(self._batches)
                except StopIteration as end:
                    _check_end(self._batches, end)
                    self._check_nothing_returned(end.value)
                    return
            yield self._to_arrow(given)

    def _check_nothing_returned(self, value: object) -> None:
        """Refuse rows that a generator returns at its end: nobody would get them."""
        if _is_frame(value) or (hasattr(value, "__iter__") and not isinstance(value, str | bytes)):
            raise InputError(
                f"The source {self._name} is a generator, and returned a {type(value).__name__} at its end.",
                why="What a function with `yield` returns is no batch: its rows would be lost.",
                fix="Write `yield` for one frame, `yield from` for several, and an empty `return` to end.",
            )

    def _to_arrow(self, given: object) -> list[pa.RecordBatch]:
        if not _is_frame(given):
            raise InputError(
                f"The source {self._name} gave a {type(given).__name__}, which is no batch.",
                why="It doesn't say which types its columns have, and guessing falsifies money.",
                fix="Yield pl.DataFrame(rows, schema=…, orient='row') or "
                "pyarrow.RecordBatch.from_pylist(rows, schema=…); for a page without rows nothing, or an empty one.",
            )
        with self._author("gave a batch that Arrow can't take"):
            if isinstance(given, pl.LazyFrame):
                given = given.collect(engine="streaming")
            if isinstance(given, pl.DataFrame):
                _refuse_objects(given)
                table = given.to_arrow()
            elif hasattr(given, _ARROW[0]):
                table = pa.table(given)
            else:
                table = pa.Table.from_batches([pa.record_batch(given)])
        return table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]

    def _author(self, doing: str) -> Any:  # noqa: ANN401 - a context manager
        return author_code(f"The source {self._name}", doing, fix=_FIX, may_pass=True)


def _check_end(batches: Iterator[Any], end: StopIteration) -> None:
    """Raise RuntimeError where a function of the author's ended the rows.

    If the function that `map` and its like call raises StopIteration, as a `next` in it may, they take it for the end
    of their input, and the rows after it would be lost. A generator turns it into this error by itself (PEP 479).
    """
    raised_in = end.__traceback__.tb_next if end.__traceback__ else None
    if raised_in is None or type(batches).__module__ not in _ADAPTERS:
        return
    if not (name := raised_in.tb_frame.f_code.co_name).rstrip("_").endswith("next"):
        raise RuntimeError(f"{name} raised StopIteration") from end


def _refuse_objects(frame: pl.DataFrame) -> None:
    """Raise TypeError for Python's objects: Arrow would get their addresses in memory."""
    if names := [name for name, dtype in frame.schema.items() if dtype == pl.Object]:
        raise TypeError(f"column {names[0]} holds Python objects (pl.Object); give it a type in the schema")


def _is_frame(given: object) -> bool:
    """Whether it is a frame by its own word. A column alone speaks Arrow, too, and is none."""
    if isinstance(given, pl.LazyFrame | pl.DataFrame):
        return True
    if isinstance(given, pl.Series | pa.Array | pa.ChunkedArray):
        return False
    return not isinstance(given, type) and any(hasattr(given, how) for how in _ARROW)


def _describe(schema: pa.Schema) -> dict[str, SourceColumn]:
    return {
        field.name: describe_field(
            field, refusal="Two columns have this name" if schema.names.count(field.name) > 1 else ""
        )
        for field in schema
    }


def _columns(schema: pa.Schema) -> list[tuple[str, str]]:
    return [(field.name, str(field.type)) for field in schema]


def _shown(columns: list[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {dtype}" for name, dtype in columns)


def _module_digest(function: Callable[..., Any]) -> str:
    """Return the SHA-256 of the file that the function is in, so that two exports' code can be told apart."""
    file = getattr(sys.modules.get(getattr(function, "__module__", "")), "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else "unknown"
