"""Decides which files of a lake a pattern means.

Those that match, without hidden ones, and none of a table format's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import unquote

from exporter.arrow.pattern import ParquetPattern, parse_pattern
from staging.errors import InputError
from staging.lake.port import Lake, LakeFile
from staging.lake.table_logs import find_table_log

_SUFFIX = ".parquet"
_HIDDEN = ("_", ".")
"""Prefixes of names that every reader of lakes passes over: files of a write under way, markers, sums."""


@dataclass(frozen=True, slots=True)
class MeantFiles:
    """The files that a pattern means, in the order of names.

    And how many more match but are hidden.
    """

    files: tuple[LakeFile, ...]
    hidden: int


def find_files(lake: Lake, pattern: str, day: date, setting: str) -> MeantFiles:
    """List the lake once.

    InputError where no file is meant, or a table format's log says which files count.
    """
    meant = parse_pattern(pattern, day)
    names, matching = [], []
    for file in lake.list(meant.prefix):
        names.append(file.name)
        if meant.names.fullmatch(file.name):
            matching.append(file)
        elif (folder := _find_folder(file.name, meant)) is not None and not is_hidden(file.name, meant):
            raise _is_folder(lake, folder, setting)
    files = tuple(file for file in matching if not is_hidden(file.name, meant))
    if not files:
        raise _none_meant(lake, pattern, day, len(matching), setting)
    _refuse_tables(lake, names, files)
    return MeantFiles(files, len(matching) - len(files))


def _find_folder(name: str, meant: ParquetPattern) -> str | None:
    """Return the folder of a file's path that the pattern means, or None.

    Spark and others write a set of files as a folder with a file's name, and other readers go into it.
    """
    if not name.endswith(_SUFFIX):
        return None
    ends = [end for end, sign in enumerate(name) if sign == "/" and name.endswith(_SUFFIX, 0, end)]
    return next((name[:end] for end in ends if meant.names.fullmatch(name[:end])), None)


def _is_folder(lake: Lake, folder: str, setting: str) -> InputError:
    return InputError(
        f"{lake.url}/{folder} matches `{setting}`, and is a folder of files.",
        why="A pattern means files alone, so the folder's rows would be left out.",
        fix="Write /*.parquet behind it, or /** for all that lies in it, or narrow the pattern. Nothing was exported.",
    )


def is_hidden(name: str, meant: ParquetPattern) -> bool:
    """Return whether a segment of a path is hidden.

    It begins with `_` or `.` and the pattern does not spell it so; `_dt=1` is a partition.
    """
    spelled = [each for each in meant.segments if each.startswith(_HIDDEN)]
    return any(
        segment.startswith(_HIDDEN)
        and not (segment.startswith("_") and "=" in segment)
        and not any(re.fullmatch(meant.to_regex(each), segment) for each in spelled)
        for segment in name.split("/")
    )


def partition_keys(files: Iterable[LakeFile], url: str) -> frozenset[str]:
    """Return the names to which every file's path gives a value.

    As in `dt=2026-11-14/`.
    """
    found = [
        {segment.partition("=")[0] for segment in f"{unquote(url)}/{file.name}".split("/")[:-1] if "=" in segment}
        for file in files
    ]
    return frozenset(set.intersection(*found)) if found else frozenset()


def _none_meant(lake: Lake, pattern: str, day: date, hidden: int, setting: str) -> InputError:
    why = f"{lake.url} was listed. A day without rows has at least one file, with no row in it."
    if hidden:
        why = (
            f"{hidden} match, all hidden: their names, or their folders', begin with `_` or `.`, which no reader takes."
        )
    return InputError(
        f"No object matches {pattern.replace('{day}', day.isoformat())}.",
        why=why,
        fix=f"Correct `{setting}`, or run again when the files are there.",
    )


def _refuse_tables(lake: Lake, names: Sequence[str], files: Sequence[LakeFile]) -> None:
    above = lake.table_log_above()
    found = (above, "") if above else find_table_log(names, [file.name for file in files])
    if found is None:
        return
    table_format, folder = found
    where = f"{lake.url}/{folder}".rstrip("/") if folder or not above else f"{lake.url}, or a folder above it,"
    raise InputError(
        f"{where} is a table of {table_format}.",
        why="Its log says which of the files are the table now; read without it they hold rows that were deleted, "
        "replaced or never committed.",
        fix="Export the day from it into plain files with a tool that knows the format, and read those. "
        "Nothing was exported.",
    )
