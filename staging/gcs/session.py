"""One resumable upload session of GCS.

It sends chunks, asks what arrived after a failure, goes on from there. Protocol:
https://cloud.google.com/storage/docs/performing-resumable-uploads. The object exists when the chunk that says the total
was accepted; a session that is dropped leaves nothing. The client library's own writer is not used: dropping it
commits, and a chunk that the service stored in part breaks it.
"""

from __future__ import annotations

import base64
import io
import re
from contextlib import suppress
from typing import Any

import requests
from google.api_core import exceptions as api

from staging.gcs.errors import BadReplyError, UploadDamagedError, describe, is_damaged, is_transient
from staging.gcs.retry import Patience, Timeout, persist

CHUNK_UNIT_BYTES = 256 * 1024
"""All chunks but the last are multiples of this, as the protocol demands."""

_ABORT_TIMEOUT: Timeout = (5.0, 5.0)
_RANGE = re.compile(r"bytes=0-(\d+)")
_INCOMPLETE = 308


def read_environment_once(http: requests.Session, url: str) -> None:
    """Take proxies and authorities from the environment as it is now.

    For all requests, which go to the host of `url`. Else each reads the whole environment, and `.netrc`: a fifth of its
    cost. Raises requests.RequestException for an address that is none.
    """
    checked = requests.Request("GET", url).prepare().url or url
    found = http.merge_environment_settings(checked, {}, None, None, None)
    http.proxies, http.verify, http.trust_env = found["proxies"], found["verify"], False


class UploadSession:
    """A session and its address, which is a secret.

    Anybody who has `address` can write into the session.
    """

    def __init__(self, http: requests.Session, address: str, patience_seconds: float) -> None:
        self._http = http
        self._address = address
        self._patience_seconds = patience_seconds
        self._stored_bytes = 0
        self._unsure = False
        self.refused = ""
        """The service's last answer to a chunk that it could not take, as a sentence."""

    def send(self, chunk: bytes) -> None:
        """Send a chunk that is not the last.

        Of `CHUNK_UNIT_BYTES` or a multiple.
        """
        if self._send(chunk, end=self._stored_bytes + len(chunk), total="*", headers={}) is not None:
            raise BadReplyError("The service ended the upload before its end.")

    def finish(self, chunk: bytes, *, crc32c: int) -> dict[str, Any]:
        """Send the last chunk and the sum of all.

        The service checks the sum; return the object's resource.
        """
        total = self._stored_bytes + len(chunk)
        checksum = base64.b64encode(crc32c.to_bytes(4, "big")).decode()
        resource = self._send(chunk, end=total, total=str(total), headers={"x-goog-hash": f"crc32c={checksum}"})
        if resource is None:
            raise BadReplyError("The service has all bytes and makes no object of them.")
        return resource

    def cancel(self) -> None:
        """Tell the service to forget the session, once.

        If the request gets lost, the session ends by itself in a week.
        """
        with suppress(requests.RequestException):
            self._http.delete(self._address, timeout=_ABORT_TIMEOUT)

    def _send(self, chunk: bytes, *, end: int, total: str, headers: dict[str, str]) -> dict[str, Any] | None:
        """Send until `end` is stored; return the object's resource once there is one."""
        start = self._stored_bytes
        patience = Patience(self._patience_seconds)

        def attempt(timeout: Timeout) -> dict[str, Any] | None:
            resource = self._ask(total, timeout) if self._unsure else None
            while resource is None and self._stored_bytes < end:
                before = self._stored_bytes
                rest = memoryview(chunk)[before - start :]
                resource = self._put(rest, f"bytes {before}-{end - 1}/{total}", headers, timeout)
                if not before < self._stored_bytes <= end and resource is None:
                    raise BadReplyError(f"The service says that it has {self._stored_bytes} bytes of {end}.")
                patience.progressed()
            return resource

        return persist(attempt, patience)

    def _ask(self, total: str, timeout: Timeout) -> dict[str, Any] | None:
        return self._put(memoryview(b""), f"bytes */{total}", {}, timeout)

    def _put(
        self, body: memoryview, content_range: str, headers: dict[str, str], timeout: Timeout
    ) -> dict[str, Any] | None:
        """Send one request, note how many bytes are stored, return the resource if the upload is finished."""
        self._unsure = True
        # A file-like body goes out in small blocks, so that the timeout counts silence and not the whole chunk.
        reply = self._http.put(
            self._address,
            data=io.BytesIO(body) if body else b"",
            headers={**headers, "Content-Range": content_range},
            timeout=timeout,
            allow_redirects=False,
        )
        if reply.status_code == _INCOMPLETE:
            stored = _RANGE.fullmatch(reply.headers.get("Range", ""))
            self._stored_bytes = int(stored[1]) + 1 if stored else 0
            self._unsure = False
            return None
        if reply.status_code in (requests.codes.ok, requests.codes.created):
            self._unsure = False
            return _resource(reply)
        error = api.from_http_response(reply)
        if is_damaged(error):
            raise UploadDamagedError from error
        if is_transient(error):
            self.refused = describe(error)
        raise error


def _resource(reply: requests.Response) -> dict[str, Any]:
    try:
        resource = reply.json()
    except ValueError as exc:
        raise BadReplyError("The service's answer is no JSON.") from exc
    if not isinstance(resource, dict):
        raise BadReplyError("The service's answer is no object resource.")
    return resource
