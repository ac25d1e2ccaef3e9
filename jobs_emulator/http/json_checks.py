"""Says what is wrong with a JSON body.

In the words of the API: the path of each wrong field and what it should be. `json_format` stops at the first fault and
names it in its own way; this walks the message's descriptor first. Paths are in proto spelling from the request message
on: `job.template.task_count`, `job.template.template.containers[0].env[1].name`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator

from google.protobuf.descriptor import FieldDescriptor

from jobs_emulator.errors import FieldViolation
from jobs_emulator.protos import Descriptor, Field, Json

_INTEGERS = {
    FieldDescriptor.TYPE_INT32: ("TYPE_INT32", 31),
    FieldDescriptor.TYPE_INT64: ("TYPE_INT64", 63),
}
_TEXT_MESSAGES = {"google.protobuf.Duration", "google.protobuf.Timestamp", "google.protobuf.FieldMask"}
DEPTH_MAX = 50


def check_json(descriptor: Descriptor, value: Json, path: str, depth: int = 0) -> Iterator[FieldViolation]:
    """Everything in `value` that cannot become a message.

    A message of `descriptor`; null means absent.
    """
    if value is None:
        return
    if depth > DEPTH_MAX:
        yield FieldViolation(path, f"Message too deep. Max recursion depth reached for key '{path}'.")
        return
    if not isinstance(value, dict):
        yield _wrong(path, f"type.googleapis.com/{descriptor.full_name}", value)
        return
    fields = {
        name: field for field in descriptor.fields for name in (field.json_name, field.name.rstrip("_"), field.name)
    }
    for key, child in value.items():
        field = fields.get(key)
        if field is None:
            where = f" at '{path}'" if path else ""
            yield FieldViolation(
                path, f"Invalid JSON payload received. Unknown name {json.dumps(key)}{where}: Cannot find field."
            )
        else:
            name = field.name.rstrip("_")
            yield from _check_field(field, child, f"{path}.{name}" if path else name, depth)


def _check_field(field: Field, value: Json, path: str, depth: int) -> Iterator[FieldViolation]:
    if value is None:
        return
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    if is_map:
        if not isinstance(value, dict):
            yield FieldViolation(path, f"Invalid JSON payload received. '{path}' is a map, cannot be {_kind(value)}.")
            return
        value_field = field.message_type.fields_by_name["value"]
        for key, item in value.items():
            yield from _check_single(value_field, item, f"{path}[{key}]", depth)
    elif field.is_repeated:
        if not isinstance(value, list):
            yield FieldViolation(path, f"Invalid JSON payload received. '{path}' is a list, cannot be {_kind(value)}.")
            return
        for position, item in enumerate(value):
            yield from _check_single(field, item, f"{path}[{position}]", depth, null_is_wrong=True)
    else:
        yield from _check_single(field, value, path, depth)


def _check_single(
    field: Field, value: Json, path: str, depth: int, *, null_is_wrong: bool = False
) -> Iterator[FieldViolation]:
    if value is None:
        if null_is_wrong:
            yield FieldViolation(path, f"Invalid JSON payload received. '{path}' is null, which a list cannot hold.")
        return
    if field.type == FieldDescriptor.TYPE_MESSAGE and field.message_type.full_name not in _TEXT_MESSAGES:
        yield from check_json(field.message_type, value, path, depth + 1)
        return
    kind, is_right = _scalar(field)
    if not is_right(value):
        yield _wrong(path, kind, value)


def _scalar(field: Field) -> tuple[str, Callable[[Json], bool]]:
    """The API's name of a field's type, and whether a JSON value is one."""
    if field.type in _INTEGERS:
        name, bits = _INTEGERS[field.type]
        return name, lambda value: _is_integer(value, bits)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return "TYPE_BOOL", lambda value: isinstance(value, bool)
    if field.type == FieldDescriptor.TYPE_ENUM:
        names = field.enum_type.values_by_name
        kind = f"type.googleapis.com/{field.enum_type.full_name}"
        return kind, lambda value: value in names if isinstance(value, str) else _is_integer(value, 31)
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        kind = f"type.googleapis.com/{field.message_type.full_name}"
        return kind, lambda value: _is_text_message(field.message_type, value)
    return "TYPE_STRING", lambda value: isinstance(value, str)


def _is_integer(value: Json, bits: int) -> bool:
    if isinstance(value, str):
        try:
            value = int(value) if value.strip() == value and "_" not in value else None
        except ValueError:
            return False
    if isinstance(value, float):
        value = int(value) if math.isfinite(value) and value.is_integer() else None
    return isinstance(value, int) and not isinstance(value, bool) and -(2**bits) <= value < 2**bits


def _is_text_message(descriptor: Descriptor, value: Json) -> bool:
    if not isinstance(value, str):
        return False
    try:
        descriptor._concrete_class().FromJsonString(value)
    except ValueError:
        return False
    return True


def _wrong(path: str, kind: str, value: Json) -> FieldViolation:
    return FieldViolation(path, f"Invalid value at '{path}' ({kind}), {_shorten(json.dumps(value))}")


def _shorten(text: str) -> str:
    return text if len(text) <= 100 else text[:100] + "…"  # noqa: PLR2004


def _kind(value: Json) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return f"the value {_shorten(json.dumps(value))}"
