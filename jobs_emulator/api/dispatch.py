"""Takes every call, over any transport.

Chaos, rights, the method; and only the API's errors.
"""

from __future__ import annotations

import sys
import traceback

from google.protobuf.message import DecodeError

from jobs_emulator.api.methods import Method
from jobs_emulator.chaos import Chaos
from jobs_emulator.errors import ApiError, Code, LostReplyError
from jobs_emulator.protos import RequestMessage, ResponseMessage
from jobs_emulator.rights.check import Rights


class Dispatcher:
    """Carries out calls."""

    def __init__(self, chaos: Chaos, rights: Rights) -> None:
        self._chaos = chaos
        self._rights = rights

    async def call(self, method: Method, request: RequestMessage, authorization: str) -> ResponseMessage:
        """The method's answer to the sender of that header.

        Raises ApiError, or LostReplyError when the answer must not reach the client.
        """
        self._chaos.check_call(method.short_name)
        self._rights.check_call(method.short_name, request, authorization)
        try:
            response = await method.handler(request)
        except ApiError:
            raise
        except Exception as exc:  # a bug of ours ends one call, not the server
            traceback.print_exc(file=sys.stderr)
            raise ApiError(Code.INTERNAL, f"Internal error of the emulator in {method.short_name}: {exc!r}") from exc
        if self._chaos.loses_reply(method.short_name):
            raise LostReplyError
        return response


def parse_request(method: Method, data: bytes) -> RequestMessage:
    """The method's request; ApiError where these bytes are none."""
    try:
        return method.request.FromString(data)
    except DecodeError as exc:
        raise ApiError(
            Code.INVALID_ARGUMENT, f"The request is not a valid {method.request.DESCRIPTOR.full_name}."
        ) from exc
