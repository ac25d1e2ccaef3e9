"""Runs statements by ADBC and hands their rows to polars.

Batch by batch, over Arrow's C stream interface (https://arrow.apache.org/docs/format/CStreamInterface.html). So neither
pyarrow nor numpy has to be imported, which the driver's own DB-API does: half of what a reader's start took.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import adbc_driver_manager as adbc
import polars as pl


class StreamError(Exception):
    """What the driver says between two batches: its sentence, no code."""


DRIVER_ERRORS = (adbc.Error, StreamError)
"""All that a statement raises."""


class AdbcSession:
    """A database and a connection to it, in autocommit.

    Used by one thread at a time, but `interrupt`. Everything raises one of `DRIVER_ERRORS`.
    """

    def __init__(self, database: adbc.AdbcDatabase) -> None:
        self._database = database
        self._statements: list[AdbcStatement] = []
        try:
            self._connection = adbc.AdbcConnection(database)
        except adbc.Error:
            database.close()
            raise

    def statement(self, options: Mapping[str, str]) -> AdbcStatement:
        """Return a statement with the driver's options, to be run many times."""
        made = adbc.AdbcStatement(self._connection)
        self._statements.append(AdbcStatement(made))
        made.set_options(**options)
        return self._statements[-1]

    def interrupt(self) -> None:
        """Ask the server to cancel what it runs, if anything."""
        with suppress(adbc.Error):
            self._connection.cancel()

    def close(self) -> None:
        """Let go of all; safe to call twice."""
        while self._statements:
            self._statements.pop().close()
        for closing in (self._connection.close, self._database.close):
            with suppress(adbc.Error):
                closing()


class AdbcStatement:
    """One statement, of which one result is open at a time."""

    def __init__(self, statement: adbc.AdbcStatement) -> None:
        self._statement = statement
        self._is_closed = False
        self._opened: adbc.ArrowArrayStreamHandle | None = None

    def stream(self, sql: str) -> Iterator[pl.DataFrame]:
        """Run it and give its batches as they come."""
        opened = self._run(sql)
        try:
            yield from _batches(opened, _Schema(opened))
        finally:
            opened.release()

    def fetch(self, sql: str) -> pl.DataFrame:
        """Run it and return all of its rows."""
        opened = self._run(sql)
        try:
            schema = _Schema(opened)
            return pl.concat([pl.DataFrame(schema=pl.Schema(schema)), *_batches(opened, schema)])
        finally:
            opened.release()

    def close(self) -> None:
        """Let go of it and of its result; safe to call twice."""
        self._release()
        if not self._is_closed:
            self._is_closed = True
            with suppress(adbc.Error):
                self._statement.close()

    def _run(self, sql: str) -> adbc.ArrowArrayStreamHandle:
        self._release()
        self._statement.set_sql_query(sql)
        self._opened, _ = self._statement.execute_query()
        return self._opened

    def _release(self) -> None:
        if self._opened is not None:
            self._opened.release()
            self._opened = None


class _CStream(ctypes.Structure):
    """struct ArrowArrayStream."""


_CStream._fields_ = [
    ("get_schema", ctypes.c_void_p),
    ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_CStream), ctypes.c_void_p)),
    ("get_last_error", ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.POINTER(_CStream))),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]


class _CArray(ctypes.Structure):
    """struct ArrowArray."""

    _fields_ = (
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.c_void_p),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


class _CSchema(ctypes.Structure):
    """struct ArrowSchema."""

    _fields_ = (
        ("format", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("metadata", ctypes.c_void_p),
        ("flags", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_find_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_find_pointer.restype = ctypes.c_void_p
_find_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


def _forget(schema: Any) -> None:  # noqa: ANN401 - ctypes has no type for a pointer
    """Release a copy: what it points to is the original's."""
    schema.contents.release = None


_release_copy = ctypes.CFUNCTYPE(None, ctypes.POINTER(_CSchema))(_forget)


class _Schema:
    """The names and types of a result, for polars.

    A statement may give a name twice, a frame can't: its columns are called "0", "1" … then.
    """

    def __init__(self, opened: adbc.ArrowArrayStreamHandle) -> None:
        try:
            self._capsule = opened.__arrow_c_schema__()
        except RuntimeError as exc:  # the stream's own error
            raise StreamError(str(exc)) from exc
        self._original = self._capsule
        top = _CSchema.from_address(_find_pointer(self._capsule, b"arrow_schema"))
        pointers = (ctypes.c_void_p * top.n_children).from_address(top.children) if top.n_children else ()
        columns = [_CSchema.from_address(pointer) for pointer in pointers]
        if len({column.name for column in columns}) < len(columns):
            self._number(top, columns)

    def _number(self, top: _CSchema, columns: list[_CSchema]) -> None:
        """Take copies of the two upper levels instead; they live as long as this object."""
        self._columns = [_copy(column) for column in columns]
        for number, column in enumerate(self._columns):
            column.name = str(number).encode()
        self._pointers = (ctypes.c_void_p * len(columns))(*map(ctypes.addressof, self._columns))
        self._top = _copy(top)
        self._top.children = ctypes.addressof(self._pointers)
        self._capsule = _new_capsule(ctypes.addressof(self._top), b"arrow_schema", None)

    def __arrow_c_schema__(self) -> object:
        return self._capsule


def _copy(schema: _CSchema) -> _CSchema:
    copied = _CSchema.from_buffer_copy(schema)
    copied.release = ctypes.cast(_release_copy, ctypes.c_void_p).value
    return copied


class _Batch:
    """One batch, for polars: it moves the array out, and releases it when the frame goes."""

    def __init__(self, schema: _Schema, array: _CArray) -> None:
        self._schema = schema
        self._array = array

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        return self._schema.__arrow_c_schema__(), _new_capsule(ctypes.addressof(self._array), b"arrow_array", None)


def _batches(opened: adbc.ArrowArrayStreamHandle, schema: _Schema) -> Iterator[pl.DataFrame]:
    """Yield what is left of a result. Other threads run while the driver waits for rows."""
    stream = _CStream.from_address(opened.address)
    while True:
        array = _CArray()
        if stream.get_next(ctypes.byref(stream), ctypes.addressof(array)):
            said = stream.get_last_error(ctypes.byref(stream)) or b"The driver says nothing."
            raise StreamError(said.decode(errors="replace"))
        if not array.release:
            return
        yield pl.DataFrame(_Batch(schema, array))
