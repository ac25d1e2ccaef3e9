"""Checks an event against OpenLineage's published schema (`distil_schema.py`), facet by facet.

It knows the words of JSON Schema that this one uses; another is an error.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from tests.chain.lineage.distil_schema import SCHEMA

_SCHEMAS: dict[str, Any] = json.loads(SCHEMA.read_text())["schemas"]
_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}
_KNOWN = {
    *("type", "format", "enum", "required", "properties", "additionalProperties", "items", "allOf", "anyOf", "not"),
    "$ref",
}


def faults_of(event: dict[str, Any]) -> list[str]:
    """What the schema says against the event, and against each of its facets by the schema that the facet names."""
    found = _faults(event, {"$ref": event["schemaURL"]}, event["schemaURL"], "event")
    for dataset in (*event["inputs"], *event["outputs"]):
        for facets in (dataset.get("facets", {}), dataset.get("outputFacets", {}), dataset.get("inputFacets", {})):
            found += _faults_of_facets(facets)
    return found + _faults_of_facets(event["run"]["facets"]) + _faults_of_facets(event["job"].get("facets", {}))


def _faults_of_facets(facets: dict[str, Any]) -> list[str]:
    urls = {name: facet["_schemaURL"] for name, facet in facets.items()}
    return [fault for name, url in urls.items() for fault in _faults(facets[name], {"$ref": url}, url, name)]


def _faults(value: Any, schema: Any, base: str, where: str) -> list[str]:  # noqa: C901 - one word after the other
    if isinstance(schema, bool):
        return [] if schema else [f"{where} may not be there"]
    assert set(schema) <= _KNOWN, schema  # a word that is not looked at would be a check that is not made
    if "$ref" in schema:
        url = schema["$ref"] if not schema["$ref"].startswith("#") else base.partition("#")[0] + schema["$ref"]
        return _faults(value, _at(url), url, where)
    kind = schema.get("type")
    if kind is not None and (not isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, bool))):
        return [f"{where} is no {kind}"]
    found = [f"{where} is not one of {schema['enum']}"] if "enum" in schema and value not in schema["enum"] else []
    found += [f"{where} is no {schema['format']}"] if "format" in schema and not _is(schema["format"], value) else []
    for part in schema.get("allOf", []):
        found += _faults(value, part, base, where)
    if "anyOf" in schema and not any(not _faults(value, part, base, where) for part in schema["anyOf"]):
        found.append(f"{where} is none of what it may be")
    if "not" in schema and not _faults(value, schema["not"], base, where):
        found.append(f"{where} is what it may not be")
    if isinstance(value, list):
        for number, each in enumerate(value):
            found += _faults(each, schema.get("items", True), base, f"{where}[{number}]")
    if isinstance(value, dict):
        found += [f"{where} has no {name}" for name in schema.get("required", []) if name not in value]
        properties, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
        for name, each in value.items():
            found += _faults(each, properties.get(name, rest), base, f"{where}.{name}")
    return found


def _at(url: str) -> Any:
    document, _, pointer = url.partition("#/$defs/")
    return _SCHEMAS[document][pointer]


def _is(kind: str, text: str) -> bool:
    try:
        match kind:
            case "date-time":
                return datetime.fromisoformat(text).tzinfo is not None
            case "uuid":
                return bool(UUID(text))
            case "uri":
                return bool(re.fullmatch(r"[a-z][a-z0-9+.-]*", urlsplit(text).scheme))
    except ValueError:
        return False
    raise AssertionError(kind)
