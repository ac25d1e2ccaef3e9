"""Explains a key of the pipeline file in words.

From the model that checks it, and from the reference where it lies.
"""

from __future__ import annotations

import json
import re

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from chain.bundled import list_bundled, read_bundled
from staging.config.faults import expected, find_pattern, known_keys, propose, section_model
from staging.config.layers import variable_of
from staging.config.pipeline import Pipeline
from staging.config.toml_lines import KeyPath
from staging.errors import UsageError

_ROW = re.compile(r"^\| `([a-z0-9_.NAME]+)` \| .*? \| (.*) \|$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_BELOW = re.compile(r"[;.] [Ss]ee \[below\]\([^)]*\)")


def explain(key: str | None) -> str:
    """Return what a key is, a section's keys, or a page.

    Or all keys. UsageError proposes the nearest key.
    """
    keys = {path: field for path, field in known_keys(Pipeline).items() if section_model(field) is None}
    meanings = _meanings()
    if key is None:
        return "\n".join(_line(path, meanings) for path in keys)
    path = tuple(key.strip().strip("[]").split("."))
    path = find_pattern(path, keys) or path  # `source.with.users.key` is `source.with.NAME.key`
    if path in keys:
        return _whole(path, keys[path], meanings)
    inner = [each for each in keys if each[: len(path)] == path]
    if inner := inner or [each for each in keys if each[-1:] == path]:
        return "\n".join(_line(each, meanings) for each in inner)
    if (page := read_bundled("docs", f"{key}.md")) is not None:
        return page.rstrip()
    pages = ", ".join(list_bundled("docs", ".md"))
    raise UsageError(
        f"There is no key {key!r}{propose(path, known_keys(Pipeline))}",
        fix="`penstock help` lists all keys." + (f" Pages are {pages}." if pages else ""),
    )


def _whole(path: KeyPath, field: FieldInfo, meanings: dict[str, str]) -> str:
    name = ".".join(path)
    default = "none" if field.default in (None, PydanticUndefined, ()) else _toml(field.default)
    lines = [
        name,
        f"  takes     {expected(field)}",
        f"  default   {'none: it is needed' if field.is_required() else default}",
        f"  variable  {variable_of(path)}",
    ]
    return "\n".join([*lines, f"  means     {meanings[name]}"] if name in meanings else lines)


def _line(path: KeyPath, meanings: dict[str, str]) -> str:
    name = ".".join(path)
    said = meanings.get(name, "")
    return f"{name.ljust(34)}  {said.partition('. ')[0]}".rstrip()


def _toml(value: object) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _meanings() -> dict[str, str]:
    """Return what the reference says of each key, if it is here; links and code become plain words."""
    found = _ROW.findall(read_bundled("docs", "reference.md") or "")
    return {key: _LINK.sub(r"\1", _BELOW.sub("", said)).replace("`", "") for key, said in found}
