"""Makes the requests of the GCS adapter.

Each is repeated within its patience; what the SDK raises ends here. A precondition that failed is an answer (None) and
no error: only the caller can tell whether it lost its own reply.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from google.api_core import exceptions as api
from google.cloud.storage import Client
from google.cloud.storage.retry import DEFAULT_RETRY

from staging.errors import UnavailableError
from staging.gcs.download import Sink, fetch
from staging.gcs.errors import (
    STAGING,
    BadReplyError,
    Role,
    UploadDamagedError,
    is_conflict,
    is_transient,
    sdk_errors,
    what_helps,
)
from staging.gcs.retry import Patience, Timeout, persist
from staging.gcs.session import UploadSession, read_environment_once
from staging.store import ObjectInfo

AT_ONCE_BYTES = 1024 * 1024
"""Up to this size an object goes up in one request, so that even a slow line ends it within the timeout."""

_CONTENT_TYPE = "application/octet-stream"
_SESSION_OVER = {404, 410}


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as it is listed.

    With its property `Content-Encoding`, empty where it has none.
    """

    info: ObjectInfo
    content_encoding: str


class GcsObjects:
    """Objects of one bucket below one prefix; `url` names both in errors."""

    def __init__(self, client: Client, bucket: str, prefix: str, patience_seconds: float, role: Role = STAGING) -> None:
        self._client = client
        self._role = role
        self._bucket = client.bucket(bucket)
        self._prefix = f"{prefix}/" if prefix else ""
        self._patience_seconds = patience_seconds
        self._date: datetime | None = None
        client._http.hooks["response"].append(self._note_date)  # the SDK keeps headers to itself
        self._uploads = requests.Session()  # a session's address is its credential
        self.prefix = prefix
        self.url = f"gs://{bucket}/{prefix}".rstrip("/")
        with self._errors("prepare requests"):
            for http in (client._http, self._uploads):
                read_environment_once(http, client.api_endpoint)

    def close(self) -> None:
        """Close connections."""
        self._uploads.close()
        self._client.close()

    def find(self, name: str, generation: int | None = None) -> ObjectInfo | None:
        """Return this generation (None: the current one), or None."""

        def attempt(timeout: Timeout) -> ObjectInfo | None:
            blob = self._blob(name, generation)
            try:
                blob.reload(timeout=timeout, retry=None)
            except api.NotFound:
                return None
            return _info_of_blob(name, blob)

        with self._errors(f"find {name}"):
            return persist(attempt, self._patience())

    def now(self) -> datetime:
        """Return what the service's clock says.

        The `Date` of the answer to a listing of one object.
        """
        for _ in self.list("", limit=1):
            break
        if self._date is None:
            raise UnavailableError(f"{self.url} does not say what time it is.", why="Its answers have no Date.")
        return self._date

    def fetch(self, info: ObjectInfo, sink: Sink) -> bool:
        """Fill `sink` with the bytes of this generation, unchecked.

        False when it is not there any more.
        """
        with self._errors(f"read {info.name}"):
            return fetch(self._blob(info.name, info.generation), info, sink, self._patience())

    def upload(self, name: str, data: bytes, *, replacing: int) -> ObjectInfo | None:
        """Write a small object over the generation `replacing`.

        0: only if there is none. Returns None if another one is there.
        """

        def attempt(timeout: Timeout) -> ObjectInfo | None:
            blob = self._blob(name)
            try:
                blob.upload_from_string(
                    data,
                    content_type=_CONTENT_TYPE,
                    if_generation_match=replacing,
                    checksum="crc32c",
                    timeout=timeout,
                    retry=None,
                )
            except api.PreconditionFailed as exc:
                if not is_conflict(exc):
                    raise
                return None
            return _info_of_blob(name, blob)

        with self._errors(f"write {name}"):
            return persist(attempt, self._patience())

    def begin(self, name: str) -> UploadSession:
        """Open a session that creates an object once it is finished.

        Only if there is none then.
        """

        def attempt(timeout: Timeout) -> str:
            address: str = self._blob(name).create_resumable_upload_session(
                content_type=_CONTENT_TYPE, if_generation_match=0, timeout=timeout, retry=None
            )
            return address

        with self._errors(f"write {name}"):
            address = persist(attempt, self._patience())
        return UploadSession(self._uploads, address, self._patience_seconds)

    def send(self, name: str, session: UploadSession, chunk: bytes) -> None:
        """Send a chunk that is not the last."""
        with self._errors(f"write {name}"):
            try:
                session.send(chunk)
            except api.GoogleAPICallError as exc:
                if exc.code in _SESSION_OVER:
                    raise session_over(name, session.refused) from exc
                raise

    def finish(self, name: str, session: UploadSession, chunk: bytes, *, crc32c: int) -> ObjectInfo | None:
        """Send the last chunk.

        None when there is an object already, or may be one, as the session is over.
        """
        with self._errors(f"write {name}"):
            try:
                return _info(name, session.finish(chunk, crc32c=crc32c))
            except UploadDamagedError as exc:
                raise UnavailableError(
                    f"The upload of {name} was damaged on its way.",
                    why="The service found another checksum than was sent, and made no object.",
                    fix="Run again.",
                ) from exc
            except api.GoogleAPICallError as exc:
                if is_conflict(exc) or exc.code in _SESSION_OVER:
                    return None
                raise

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[ObjectInfo]:
        """Yield the current objects whose name begins with `prefix`, in name order.

        `limit` ends early.
        """
        return (listed.info for listed in self.list_resources(prefix, limit=limit))

    def list_resources(self, prefix: str, *, limit: int | None = None) -> Iterator[Listed]:
        """Yield the same with what else a listing says.

        For an object under a customer-managed key it has no CRC32C; `find` has it.
        https://cloud.google.com/storage/docs/encryption/customer-managed-keys
        """
        with self._errors("list objects"):
            patience = self._patience()
            for blob in self._client.list_blobs(
                self._bucket,
                prefix=f"{self._prefix}{prefix}",
                max_results=limit,
                timeout=patience.timeout(),
                retry=DEFAULT_RETRY.with_timeout(self._patience_seconds).with_predicate(is_transient),
            ):
                info = _info_of_blob(blob.name.removeprefix(self._prefix), blob, is_listed=True)
                yield Listed(info, str(blob._properties.get("contentEncoding") or ""))

    def delete(self, name: str, generation: int) -> bool:
        """Delete the object if this generation is the current one.

        Return whether there is none now.
        """

        def attempt(timeout: Timeout) -> bool:
            try:
                self._blob(name).delete(if_generation_match=generation, timeout=timeout, retry=None)
            except api.NotFound:
                return True  # also after a reply of ours was lost
            except api.PreconditionFailed as exc:
                if not is_conflict(exc):
                    raise
                return False
            return True

        with self._errors(f"delete {name}"):
            return persist(attempt, self._patience())

    def _note_date(self, reply: requests.Response, **_: Any) -> None:  # noqa: ANN401 - the shape of a hook
        with suppress(KeyError, TypeError, ValueError):  # none, or no date: `now` says so
            self._date = parsedate_to_datetime(reply.headers["Date"]).astimezone(UTC)

    def _blob(self, name: str, generation: int | None = None) -> Any:  # noqa: ANN401 - the SDK has no types
        return self._bucket.blob(f"{self._prefix}{name}", generation=generation)

    def _errors(self, doing: str) -> AbstractContextManager[None]:
        return sdk_errors(self.url, doing, self._role)

    def _patience(self) -> Patience:
        return Patience(self._patience_seconds)


def session_over(name: str, refused: str) -> UnavailableError:
    """Return the error for an upload that the service forgot.

    Its earlier chunks are gone, so it must start anew. `refused` is what it answered to a chunk before that, "" if it
    took them all.
    """
    return UnavailableError(
        f"The upload of {name} was ended by the service.",
        why=f"Its session is over, and no object was made of it. {refused}".rstrip(),
        fix=what_helps(refused) if refused else "Run again.",
    )


def _info_of_blob(name: str, blob: Any, *, is_listed: bool = False) -> ObjectInfo:  # noqa: ANN401 - the SDK has no types
    # The resource as it came: the SDK itself reads times only in UTC, and emulators send others.
    return _info(name, blob._properties, is_listed=is_listed)


def _info(name: str, resource: Mapping[str, Any], *, is_listed: bool = False) -> ObjectInfo:
    try:
        return ObjectInfo(
            name=name,
            generation=int(resource["generation"]),
            size_bytes=int(resource["size"]),
            crc32c=None if is_listed and "crc32c" not in resource else _sum_of(resource["crc32c"]),
            updated_at=datetime.fromisoformat(resource["updated"]).astimezone(UTC),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise BadReplyError("The service's answer lacks generation, size, sum or time of the object.") from exc


def _sum_of(text: str) -> int:
    return int.from_bytes(base64.b64decode(text, validate=True), "big")
