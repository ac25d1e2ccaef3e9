"""Reads which host the first HTTP/2 request means to call.

`:authority`, what `Host` is in HTTP/1.1. gRPC's Python server doesn't give it to a handler, so it is read from the
bytes on their way there: frames by RFC 9113, sections 4 and 6.2, their header block by hpack. Only the first request
counts: the next on the same connection come from the same caller.
"""

from __future__ import annotations

import struct

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
OPENING_BYTES_MAX = 256 * 1024
"""The frames before the first request and its headers; gRPC's server takes 64 KiB of headers."""

_FRAME_HEAD_BYTES = 9
_HEADERS, _CONTINUATION = 0x1, 0x9
_END_HEADERS, _PADDED, _PRIORITY = 0x4, 0x8, 0x20
_PRIORITY_BYTES = 5


class AuthorityReader:
    """Takes what a client sends, preface first.

    `authority` is None until the first request's headers are whole. It is "" for a request that names nobody, and for
    bytes that are no HTTP/2, which the server will refuse.
    """

    def __init__(self) -> None:
        self.authority: str | None = None
        self._unread = bytearray()
        self._skipped_preface = False
        self._read_bytes = 0
        self._block = b""

    def feed(self, data: bytes) -> None:
        """Takes more bytes."""
        self._unread += data
        self._read_bytes += len(data)
        if not self._skipped_preface and len(self._unread) >= len(PREFACE):
            del self._unread[: len(PREFACE)]
            self._skipped_preface = True
        while self.authority is None and self._skipped_preface and (frame := self._take_frame()) is not None:
            self._read_frame(*frame)
        if self.authority is None and self._read_bytes > OPENING_BYTES_MAX:
            self.authority = "[too many headers]"  # no host has such a name

    def _take_frame(self) -> tuple[int, int, bytes] | None:
        """Type, flags and payload of the next frame, once it is whole."""
        if len(self._unread) < _FRAME_HEAD_BYTES:
            return None
        high, low, kind, flags, _ = struct.unpack(">BHBBI", self._unread[:_FRAME_HEAD_BYTES])
        end = _FRAME_HEAD_BYTES + (high << 16 | low)
        if len(self._unread) < end:
            return None
        payload = bytes(self._unread[_FRAME_HEAD_BYTES:end])
        del self._unread[:end]
        return kind, flags, payload

    def _read_frame(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == _HEADERS:
            padding = payload[0] if flags & _PADDED and payload else 0
            begin = (1 if flags & _PADDED else 0) + (_PRIORITY_BYTES if flags & _PRIORITY else 0)
            self._block = payload[begin : len(payload) - padding]
        elif kind == _CONTINUATION:
            self._block += payload
        else:
            return
        if flags & _END_HEADERS:
            self.authority = _find_authority(self._block)


def _find_authority(block: bytes) -> str:
    try:
        headers = dict(hpack.Decoder().decode(block, raw=True))
    except hpack.HPACKError:
        return ""
    return (headers.get(b":authority") or headers.get(b"host", b"")).decode("latin-1")
