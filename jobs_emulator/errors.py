"""The error every method of the API may answer with.

And its two renderings: gRPC status and google.rpc.Status as JSON. Codes and their HTTP numbers: google/rpc/code.proto.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from jobs_emulator.protos import Any_, BadRequest, Status, StatusMessage


class Code(IntEnum):
    """Canonical codes of google.rpc.Code; the values are those of gRPC too."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


HTTP_STATUS = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request that is wrong.

    Its path in proto spelling, and why.
    """

    field: str
    description: str


class ApiError(Exception):
    """The API's answer to a request it does not carry out.

    `http_status` overrides the number that belongs to the code (413 for a body too large, 404 for an unknown path).
    """

    def __init__(
        self, code: Code, message: str, violations: tuple[FieldViolation, ...] = (), http_status: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.violations = violations
        self.http_status = http_status or HTTP_STATUS[code]

    def to_status(self) -> StatusMessage:
        """google.rpc.Status, with a BadRequest detail where fields are at fault."""
        status = Status(code=int(self.code), message=self.message)
        if self.violations:
            detail = BadRequest()
            for violation in self.violations:
                detail.field_violations.add(field=violation.field, description=violation.description)
            packed = Any_()
            packed.Pack(detail)
            status.details.append(packed)
        return status

    def to_json(self) -> dict[str, Any]:
        """The body a REST client gets: `{"error": {code, message, status, details}}`."""
        error: dict[str, Any] = {"code": self.http_status, "message": self.message, "status": self.code.name}
        if self.violations:
            error["details"] = [
                {
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [{"field": v.field, "description": v.description} for v in self.violations],
                }
            ]
        return {"error": error}


class LostReplyError(Exception):
    """Chaos: the answer to a request must get lost.

    The request was carried out, and its answer must never reach the client.
    """


def invalid(message: str, *violations: FieldViolation) -> ApiError:
    """INVALID_ARGUMENT, naming the fields at fault."""
    return ApiError(Code.INVALID_ARGUMENT, message, violations)


def invalid_fields(violations: list[FieldViolation]) -> ApiError:
    """INVALID_ARGUMENT whose message is all violations, one after the other."""
    return invalid("; ".join(f"{v.field}: {v.description}" for v in violations), *violations)


def not_this_machine(host: str) -> ApiError:
    """PERMISSION_DENIED for a request that means another host.

    The emulator can't be reached by that host's name.
    """
    return ApiError(Code.PERMISSION_DENIED, f"Host '{host}' is not this machine: the emulator serves loopback only.")
