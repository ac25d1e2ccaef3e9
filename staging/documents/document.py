"""What all JSON documents on the bucket share.

Strict parsing, a version, and a canonical text.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from staging.errors import InputError, IntegrityError, ObjectMissingError
from staging.hours.name import Hour, parse_hour
from staging.store import Store

FORMAT = 1
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Money = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,60}(\.[0-9]{1,38})?$")]
"""An exact decimal number as text, never exponent notation."""


def _parse_instant(value: Any) -> Any:  # noqa: ANN401 - whatever the document holds
    if not isinstance(value, str):
        return value
    if not _INSTANT.fullmatch(value):
        raise ValueError("should be a time such as 2026-11-14T02:15:00Z")
    return datetime.fromisoformat(value)


Instant = Annotated[AwareDatetime, BeforeValidator(_parse_instant), AfterValidator(lambda time: time.astimezone(UTC))]
"""A point of time in RFC 3339 (pydantic alone would take `"1700000000"`); always written in UTC."""


def _parse_window(value: Any, read_day: ValidatorFunctionWrapHandler) -> Any:  # noqa: ANN401 - whatever the document holds
    if isinstance(value, Hour):
        return value
    if isinstance(value, str) and _DAY.fullmatch(value):  # a key of an object reaches `read_day` as no JSON
        return date.fromisoformat(value)
    if not isinstance(value, str) or "T" not in value:
        return read_day(value)
    try:
        return parse_hour(value)
    except InputError as error:
        raise ValueError(error.what) from error


WindowName = Annotated[
    date,
    WrapValidator(_parse_window),
    PlainSerializer(lambda day: day.isoformat(), return_type=str, when_used="json"),
]
"""A day, or an hour (`staging.hours`): the name of a window in its objects' names."""


class Document(BaseModel):
    """A frozen JSON document.

    Unknown keys, missing keys, wrong types, duplicate keys and NaN are refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1

    def to_bytes(self) -> bytes:
        """Return UTF-8 JSON, its keys in the order of fields.

        A newline ends it.
        """
        return self.model_dump_json(indent=1).encode() + b"\n"

    @classmethod
    def parse(cls, data: bytes, *, name: str) -> Self:
        """Parse strictly.

        `name` is the object's, for the IntegrityError that a bad document raises.
        """
        try:
            raw = json.loads(data, object_pairs_hook=_no_duplicates, parse_constant=_no_constants)
        except (ValueError, RecursionError) as exc:
            raise _bad(name, str(exc)) from exc
        version = raw.get("format") if isinstance(raw, dict) else None
        if type(version) is not int:  # neither 1.0 nor true, which pydantic takes for 1
            raise _bad(name, "it has no format version")
        if version > FORMAT:
            raise IntegrityError(
                f"{name} has format {version}; this Penstock reads up to {FORMAT}.",
                why="A newer Penstock wrote it.",
                fix="Use at least the version that wrote it for this day.",
            )
        try:
            return cls.model_validate_json(data)
        except ValidationError as exc:
            faults = "; ".join(
                f"{'.'.join(map(str, e['loc']))}: {e['msg']}"
                for e in exc.errors(include_input=False, include_url=False)[:5]
            )
            raise _bad(name, faults) from exc


D = TypeVar("D", bound=Document)


def find_document(store: Store, name: str, kind: type[D]) -> D | None:
    """Return the document of that name, or None where there is none."""
    try:
        data, _ = store.read(name)
    except ObjectMissingError:
        return None
    return kind.parse(data, name=name)


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
