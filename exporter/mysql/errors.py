"""What MySQL's and MariaDB's errors mean to an export.

The numbers are in `databases.mysql.errors`.
"""

from __future__ import annotations

import re

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from databases.errors import Kind
from databases.mysql.errors import error_number, meaning_of
from databases.url import scrub
from exporter.port.source_errors import source_error
from staging.errors import InputError, PenstockError

_NO_SUCH_TABLE = 1146
_OUT_OF_RANGE = 1690
_NO_LESS = 18_446_744_073_709_551_615
_NO_COUNTERPART = re.compile(rf"{_NO_LESS} \+ (?:octet_)?length\((?P<column>[^)]+)\)", re.IGNORECASE)
_NO_SPACE = "No space left on device"


def refuse_text(quoted: str) -> str:
    """Return an expression that ends its statement with an error.

    For a text that has bytes: in no mode does a server let a number grow beyond its type. NULL stays NULL.
    """
    return f"{_NO_LESS} + OCTET_LENGTH({quoted})"


def translate_error(error: BaseException, doing: str, url: URL) -> PenstockError:
    """Return the project's own error for a driver's.

    UnavailableError for what may pass, InputError for what the same attempt would meet again.
    """
    original = driver_error(error)
    meaning = meaning_of(original)
    text = scrub(str(original), url)
    if meaning.kind is Kind.FULL and "#sql" in text and _NO_SPACE not in text:
        text += ". It says so when the disk of its temporary files is full."
    if error_number(original) == _OUT_OF_RANGE and (refused := _NO_COUNTERPART.search(text)):
        return InputError(
            f"A text of the column {refused['column']} can't be carried exactly.",
            why="It has bytes that stand for no character: they would become '?', and two texts one.",
            fix="Correct the row, change the column to utf8mb4, or leave such rows out with `source.where`.",
        )
    server = f"The {url.get_backend_name()} server"
    return source_error(meaning, server, doing, why=text, is_table=error_number(original) == _NO_SUCH_TABLE)


def kind_of(error: BaseException) -> Kind:
    """Return what a driver's error, or SQLAlchemy's around it, means."""
    return meaning_of(driver_error(error)).kind


def driver_error(error: BaseException) -> BaseException:
    """Return the driver's own error."""
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
