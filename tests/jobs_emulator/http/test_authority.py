"""The first request's :authority, however a client cuts, pads and codes its frames."""

from __future__ import annotations

import struct

import hpack
import pytest

from jobs_emulator.http.http2_authority import OPENING_BYTES_MAX, PREFACE, AuthorityReader

SETTINGS, PING, HEADERS, CONTINUATION = 4, 6, 1, 9
END_STREAM, END_HEADERS, PADDED, PRIORITY = 1, 4, 8, 32


def frame(kind: int, flags: int, payload: bytes, stream: int = 1) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def block(authority: str | None, *, huffman: bool = True, name: str = ":authority") -> bytes:
    headers = [(":method", "POST"), (":path", "/google.cloud.run.v2.Jobs/ListJobs"), ("user-agent", "x" * 300)]
    if authority is not None:
        headers.insert(1, (name, authority))
    return hpack.Encoder().encode(headers, huffman=huffman)


OPENING = PREFACE + frame(SETTINGS, 0, b"\0\3\0\0\0\144", 0)
WHOLE = block("evil.example:80")


@pytest.mark.parametrize(
    ("sent", "authority"),
    [
        (frame(HEADERS, END_HEADERS, WHOLE), "evil.example:80"),
        (frame(HEADERS, END_HEADERS | END_STREAM, block("a.b", huffman=False)), "a.b"),
        (frame(PING, 0, b"12345678", 0) + frame(HEADERS, END_HEADERS, WHOLE), "evil.example:80"),
        (frame(HEADERS, END_HEADERS | PADDED, b"\5" + WHOLE + b"\0" * 5), "evil.example:80"),
        (frame(HEADERS, END_HEADERS | PRIORITY, b"\0\0\0\0\7" + WHOLE), "evil.example:80"),
        (frame(HEADERS, END_HEADERS | PADDED | PRIORITY, b"\2\0\0\0\0\7" + WHOLE + b"\0\0"), "evil.example:80"),
        (frame(HEADERS, 0, WHOLE[:9]) + frame(CONTINUATION, END_HEADERS, WHOLE[9:]), "evil.example:80"),
        (frame(HEADERS, END_HEADERS, block("old.example", name="host")), "old.example"),
        (frame(HEADERS, END_HEADERS, block(None)), ""),
        (frame(HEADERS, END_HEADERS, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff"), ""),
        (frame(HEADERS, END_HEADERS | PADDED, b""), ""),
    ],
)
def test_it_is_found_in_any_pieces(sent: bytes, authority: str) -> None:
    for size in (1, 7, 10_000):
        reader = AuthorityReader()
        data = OPENING + sent
        for begin in range(0, len(data), size):
            assert reader.authority is None
            reader.feed(data[begin : begin + size])
        assert reader.authority == authority


def test_a_later_request_changes_nothing() -> None:
    reader = AuthorityReader()
    reader.feed(OPENING + frame(HEADERS, END_HEADERS, block("localhost")))
    reader.feed(frame(HEADERS, END_HEADERS, WHOLE, 3))
    assert reader.authority == "localhost"


def test_headers_without_end_are_somebody_elses() -> None:
    reader = AuthorityReader()
    reader.feed(OPENING + frame(HEADERS, 0, WHOLE))
    for _ in range(OPENING_BYTES_MAX // 16_000 + 1):
        assert reader.authority is None
        reader.feed(frame(CONTINUATION, 0, b"x" * 16_000))
    assert reader.authority
