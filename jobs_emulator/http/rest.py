"""The API over REST.

Paths, query and JSON bodies to the same requests that come over gRPC, and their answers back. Transcoding as in
google/api/http.proto: the path binds first, then the body, and the query gives the rest.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor

from jobs_emulator.api.dispatch import Dispatcher
from jobs_emulator.api.methods import Method
from jobs_emulator.errors import ApiError, Code, FieldViolation, invalid
from jobs_emulator.http.answers import HttpRequest, HttpResponse, json_response
from jobs_emulator.http.json_checks import check_json
from jobs_emulator.protos import Json, RequestMessage

SYSTEM_PARAMETERS = {
    "alt", "key", "fields", "prettyPrint", "quotaUser", "access_token", "oauth_token", "callback", "upload_protocol",
    "uploadType", "updateMask", "$.xgafv", "$alt", "$prettyPrint", "$fields",
}  # fmt: skip
"""Parameters of every Google API (and a field mask older clients send): taken, and without effect but for `$alt`."""

_BOUND = re.compile(r"\{([a-z_.]+)=([^}]+)\}")


@dataclass(frozen=True, slots=True)
class _Route:
    method: Method
    pattern: re.Pattern[str]
    bound_field: str


class RestApi:
    """All routes below /v2/."""

    def __init__(self, methods: list[Method], dispatcher: Dispatcher) -> None:
        self._routes = [_make_route(method) for method in methods]
        self._dispatcher = dispatcher

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Carries out one request; every error is a google.rpc.Status in JSON."""
        url = urlsplit(request.target)
        parameters = parse_qsl(url.query, keep_blank_values=True)
        try:
            route, bound = self._find(request, url.path)
            message = _build_request(route, bound, request, parameters)
            response = await self._dispatcher.call(route.method, message, request.headers.get("authorization", ""))
        except ApiError as exc:
            return json_response(exc.to_json(), exc.http_status)
        as_integers = any(name == "$alt" and "enum-encoding=int" in value for name, value in parameters)
        return json_response(json_format.MessageToDict(response, use_integers_for_enums=as_integers))

    def _find(self, request: HttpRequest, path: str) -> tuple[_Route, str]:
        verb = request.headers.get("x-http-method-override", request.verb).upper()
        matches = [(route, match[1]) for route in self._routes if (match := route.pattern.fullmatch(path))]
        for route, bound in matches:
            if route.method.verb == verb:
                return route, unquote(bound)
        message = f"The requested URL {path} was not found on this server."
        raise ApiError(Code.UNIMPLEMENTED if path.startswith("/v2/") else Code.NOT_FOUND, message, http_status=404)


def _make_route(method: Method) -> _Route:
    bound = _BOUND.search(method.path)
    assert bound is not None  # noqa: S101 — every route of the table binds one field
    # the last segment ends where a custom verb (`:run`) begins
    segments = bound[2].replace("*", "[^/]+")
    name = segments.removesuffix("[^/]+") + "[^/:]+" if segments.endswith("[^/]+") else segments
    before, after = method.path[: bound.start()], method.path[bound.end() :]
    return _Route(method, re.compile(f"/v2/{re.escape(before)}({name}){re.escape(after)}"), bound[1])


def _build_request(
    route: _Route, bound: str, request: HttpRequest, parameters: list[tuple[str, str]]
) -> RequestMessage:
    method = route.method
    value: dict[str, Any] = _query_values(method, parameters)
    if method.body:
        body = _parse_body(request)
        value = {**value, **body} if method.body == "*" else {**value, method.body: body}
    elif request.body.strip():
        raise invalid("Invalid JSON payload received. This method takes no body.")
    *outer, last = route.bound_field.split(".")
    owner: Json = value
    for name in outer:
        owner = owner.setdefault(name, {})
    owner[last] = bound
    violations = list(check_json(method.request.DESCRIPTOR, value, ""))
    if violations:
        raise ApiError(Code.INVALID_ARGUMENT, "\n".join(v.description for v in violations), tuple(violations))
    try:
        return json_format.ParseDict(value, method.request())
    except (json_format.ParseError, ValueError, RecursionError) as exc:
        raise invalid(f"Invalid JSON payload received. {exc}") from exc


def _parse_body(request: HttpRequest) -> dict[str, Any]:
    if not request.body.strip():
        return {}
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError) as exc:
        raise invalid(f"Invalid JSON payload received. {exc}") from exc
    if not isinstance(value, dict):
        raise invalid("Invalid JSON payload received. Root must be an object.")
    return value


def _query_values(method: Method, parameters: list[tuple[str, str]]) -> dict[str, Any]:
    """Query parameters as JSON values of the request's own fields."""
    fields = {field.json_name: field for field in method.request.DESCRIPTOR.fields}
    fields.update({field.name: field for field in method.request.DESCRIPTOR.fields})
    values: dict[str, Any] = {}
    for name, text in parameters:
        field = fields.get(name)
        if field is not None and field.type == FieldDescriptor.TYPE_BOOL and text.lower() in {"true", "false"}:
            values[field.json_name] = text.lower() == "true"
        elif field is not None:
            values[field.json_name] = text
        elif name == "timeout.seconds":
            values["timeout"] = f"{text}s"
        elif name not in SYSTEM_PARAMETERS:
            reason = (
                f"Invalid JSON payload received. Unknown name {json.dumps(name)}: Cannot bind query parameter. "
                f"Field '{name}' could not be found in request message."
            )
            raise invalid(reason, FieldViolation("", reason))
    return values
