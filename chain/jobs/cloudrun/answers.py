"""The service's answers that are errors, by their HTTP codes."""

from __future__ import annotations

BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, TOO_MANY, UNIMPLEMENTED = 400, 401, 403, 404, 409, 429, 501
UNKNOWN_CODES = {408, 499, 500, 502, 503, 504}


class RefusedCallError(Exception):
    """A call that was answered in this process, by an error.

    `code` is the HTTP code of such an answer of the service.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
