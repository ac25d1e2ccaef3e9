"""What all JSON documents on the bucket share: strict parsing, a version, and a canonical text."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from staging.errors import IntegrityError

FORMAT = 1
MAX_DOCUMENT_BYTES = 64 * 1024 * 1024

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Money = Annotated[str, StringConstraints(pattern=r"^-?\d{1,60}(\.\d{1,38})?$")]
"""An exact decimal number as text, never exponent notation."""


class Document(BaseModel):
    """A frozen JSON document; unknown keys, missing keys, wrong types, duplicate keys and NaN are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1

    def to_bytes(self) -> bytes:
        """UTF-8 JSON, keys in the order of the fields, a newline at its end."""
        return self.model_dump_json(indent=1).encode() + b"\n"

    @classmethod
    def parse(cls, data: bytes, *, name: str) -> Self:
        """Parse strictly; `name` is the object's, for the IntegrityError that a bad document raises."""
        try:
            raw = json.loads(data, object_pairs_hook=_no_duplicates, parse_constant=_no_constants)
        except (ValueError, RecursionError) as exc:
            raise _bad(name, str(exc)) from exc
        version = raw.get("format") if isinstance(raw, dict) else None
        if isinstance(version, int) and version > FORMAT:
            raise IntegrityError(
                f"{name} has format {version}; this Penstock reads up to {FORMAT}.",
                why="A newer Penstock wrote it.",
                fix="Use at least the version that wrote it for this day.",
            )
        if version is None:
            raise _bad(name, "it has no format version")
        try:
            return cls.model_validate_json(data)
        except ValidationError as exc:
            faults = "; ".join(
                f"{'.'.join(map(str, e['loc']))}: {e['msg']}"
                for e in exc.errors(include_input=False, include_url=False)[:5]
            )
            raise _bad(name, faults) from exc


class Part(BaseModel):
    """A piece of a document, under the same rules."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _bad(name: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"{name} can't be read.",
        why=f"It is cut, damaged or not written by Penstock: {why}",
        fix="Look at the object; export the day again with --fresh-export if it is lost.",
    )


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constants(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")
