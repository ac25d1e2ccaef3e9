"""A document is read whole, strictly and in a version that is known, or it is refused by name."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staging.documents.document import Document
from staging.documents.manifest import Column, Manifest, Reading, Shard, ShardFile, Source
from staging.documents.run import Backfill, Conservation, Head, Lease, Loaded, Receipt, RunExport, RunFailure, RunRecord
from staging.errors import IntegrityError

NOW = datetime(2026, 11, 14, 2, 15, 0, 123456, tzinfo=UTC)
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
FILE = ShardFile(name="a/0.parquet", generation=1, size_bytes=2, crc32c=3, sha256=SHA, rows=4)
SHARD = Shard(shard=0, files=(FILE,), rows=4, min_key="-1", max_key="9", sums={"amount": "-12.30"})

DOCUMENTS: list[Document] = [
    Manifest(
        export_id="e01",
        pipeline="shop",
        day=date(2026, 11, 14),
        timezone="Europe/Berlin",
        window_start=NOW,
        window_end=NOW,
        as_of=NOW,
        source=Source(
            dialect="postgresql",
            server_version="15.4",
            server_identity="7",
            table="Käufe",
            key="user_id",
            time="at",
            where="status = 'paid' \u2028 \"x\"",
            statement="SELECT 1",
            evidence={"snapshot": "1:2:"},
        ),
        columns=(Column(name="user_id", dtype="Int64", source_type="bigint", nullable=False),),
        schema_fingerprint=SHA,
        shard_function="fibonacci-u64",
        shards=(SHARD,),
        rows=4,
        sums={"amount": "-12.30"},
        reading=Reading(mode="snapshot", why="small", reader="adbc", seconds=1.5, waited_seconds={}),
        created_at=NOW,
        penstock_version="0.1.0",
    ),
    Head(
        head_id="h",
        pipeline="shop",
        day=date(2026, 11, 14),
        fence=1,
        run_id=None,
        export_id=None,
        nonce="n",
        updated_at=NOW,
        lease=Lease(holder="ada@shop process 12", nonce="m", since=NOW, seconds=90),
    ),
    RunRecord(
        run_id="r01",
        pipeline="shop",
        day=date(2026, 11, 14),
        head_id="h",
        fence=1,
        kind="run",
        fresh_export=False,
        created_at=NOW,
    ),
    RunExport(run_id="r01", export_id="e01", manifest_generation=12, manifest_sha256=SHA),
    Receipt(
        run_id="r01",
        export_id="e01",
        shard=0,
        rows_in=5,
        rows_out=4,
        rows_quarantined=1,
        quarantine_reasons={"negative": 1},
        part=FILE,
        quarantine=None,
        output_columns={"user_id": "Int64"},
        key="user_id",
        conserved=(Conservation(output="revenue", source="amount", shard="1.00", part="1.00", quarantine="0"),),
        transform="processor.revenue:revenue_per_user",
        engine="polars 2.1.0",
    ),
    Backfill(
        backfill_id="b01",
        pipeline="shop",
        first=date(2026, 11, 1),
        last=date(2026, 11, 14),
        logic_sha256="0" * 64,
        begun_at=datetime(2026, 11, 15, 2, 15, tzinfo=UTC),
    ),
    RunFailure(
        run_id="r01",
        exit_code=20,
        what="The bucket is away.",
        why="",
        fix="Try again.",
        log="/logs/task0-attempt0.log",
        failed_at=datetime(2026, 11, 15, 2, 15, tzinfo=UTC),
    ),
    Loaded(
        run_id="r01",
        export_id="e01",
        fence=1,
        day=date(2026, 11, 14),
        rows=4,
        inserted=1,
        updated=1,
        deleted=0,
        totals={"revenue": "1.00"},
        digest=SHA,
        loaded_at=NOW,
    ),
]
EACH = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: type(document).__name__)


def parse(document: Document, data: bytes) -> Document:
    return type(document).parse(data, name="shop/x.json")


def changed(document: Document, **fields: Any) -> bytes:
    return json.dumps({**json.loads(document.to_bytes()), **fields}).encode()


@EACH
def test_a_document_is_read_as_it_was_written(document: Document) -> None:
    data = document.to_bytes()
    assert parse(document, data) == document
    assert parse(document, data).to_bytes() == data
    assert data.endswith(b"}\n")


@EACH
def test_a_document_cut_at_any_byte_is_refused(document: Document) -> None:
    data = document.to_bytes()
    assert parse(document, data[:-1]) == document  # its newline is no part of it
    for length in range(len(data) - 1):
        with pytest.raises(IntegrityError, match=r"shop/x\.json"):
            parse(document, data[:length])


@EACH
def test_a_document_with_more_behind_it_is_refused(document: Document) -> None:
    data = document.to_bytes()
    for more in (data, b"{}", b"]", b"\0", b"x"):
        with pytest.raises(IntegrityError):
            parse(document, data + more)


@EACH
def test_a_newer_version_is_refused_with_what_to_do(document: Document) -> None:
    with pytest.raises(IntegrityError, match="newer Penstock"):
        parse(document, changed(document, format=2, hitherto_unknown=[1]))


@EACH
@pytest.mark.parametrize("version", [None, "1", 1.5, 0, -1, True, [], {}, 1.0])
def test_a_version_that_is_none_is_refused(document: Document, version: object) -> None:
    with pytest.raises(IntegrityError):
        parse(document, changed(document, format=version))


@EACH
def test_a_missing_version_is_refused(document: Document) -> None:
    raw = json.loads(document.to_bytes())
    del raw["format"]
    with pytest.raises(IntegrityError, match="version"):
        parse(document, json.dumps(raw).encode())


@EACH
def test_each_missing_key_and_any_unknown_key_is_refused(document: Document) -> None:
    raw = json.loads(document.to_bytes())
    for key in raw.keys() - {
        "lease",
        "run_failed",
        "code",
        "merge",
        "by",
        "stopped",
        "tables",
    }:  # documents were written before there were these
        with pytest.raises(IntegrityError):
            parse(document, json.dumps({name: value for name, value in raw.items() if name != key}).encode())
    with pytest.raises(IntegrityError, match="unknown_key"):
        parse(document, changed(document, unknown_key=1))


@EACH
def test_each_value_of_another_type_is_refused(document: Document) -> None:
    for key, value in json.loads(document.to_bytes()).items():
        for other in (3.5, "text", True, [1], {"a": 1}):
            is_time = key == "day" or key.endswith(("_at", "_start", "_end", "as_of"))
            if (type(other) is type(value) or (value is None and other == "text")) and not is_time:
                continue  # may be a value of its own right
            with pytest.raises(IntegrityError):
                parse(document, changed(document, **{key: other}))


@EACH
def test_a_key_that_stands_twice_is_refused_at_any_depth(document: Document) -> None:
    data = document.to_bytes().rstrip()
    with pytest.raises(IntegrityError, match="twice"):
        parse(document, data[:-1] + b', "format": 1}')
    nested = changed(document, nested={"a": 1}).replace(b'{"a": 1}', b'{"a": 1, "a": 1}')
    with pytest.raises(IntegrityError, match="twice"):
        parse(document, nested)


@EACH
@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
def test_a_number_that_is_none_is_refused(document: Document, constant: bytes) -> None:
    data = changed(document, number="HERE").replace(b'"HERE"', constant)
    with pytest.raises(IntegrityError, match="no JSON number"):
        parse(document, data)


@EACH
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"1",
        b'"text"',
        b"{}",
        b"\xff\xfe",
        b'\xef\xbb\xbf{"format": 1}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"format": 1, "x": "\xff"}',
        b'{"format": ' + b"9" * 5000 + b"}",
        b"{'format': 1}",
    ],
    ids=range(13),
)
def test_what_is_no_document_is_refused(document: Document, data: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"shop/x\.json"):
        parse(document, data)


@given(st.integers(0), st.integers(0, 255))
def test_a_byte_that_changed_gives_another_document_or_a_refusal(at: int, byte: int) -> None:
    document = DOCUMENTS[0]
    data = bytearray(document.to_bytes())
    at %= len(data)
    same = data[at] == byte
    data[at] = byte
    try:
        found = parse(document, bytes(data))
    except IntegrityError:
        return
    # Blanks between the values may change and mean the same.
    assert same or found != document or json.loads(bytes(data)) == json.loads(document.to_bytes())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rows", -1),
        ("rows", 4.0),
        ("rows", "4"),
        ("sums", {"amount": "1e3"}),
        ("sums", {"amount": "NaN"}),
        ("sums", {"amount": "1,5"}),
        ("sums", {"amount": " 1"}),
        ("sums", {"amount": "1\n"}),
        ("sums", {"amount": "\u0663"}),
        ("sums", {"amount": 1.5}),
        ("sums", {"amount": "+1"}),
        ("schema_fingerprint", SHA.upper()),
        ("schema_fingerprint", SHA[1:]),
        ("day", "2026-02-30"),
        ("day", "2026-11-14T00:00:00"),
        ("as_of", "2026-11-14T02:15:00"),
        ("as_of", "2026-11-14T02:15:00+0100"),
        ("as_of", "2026-11-14 02:15:00Z"),
        ("as_of", "1700000000"),
        ("as_of", 1700000000),
        ("window_start", "yesterday"),
        ("shards", [{}]),
    ],
)
def test_values_that_look_right_and_are_not_are_refused(field: str, value: object) -> None:
    with pytest.raises(IntegrityError, match=field):
        parse(DOCUMENTS[0], changed(DOCUMENTS[0], **{field: value}))


def test_times_are_written_in_utc_wherever_they_come_from() -> None:
    head = DOCUMENTS[1].model_dump() | {"updated_at": datetime(2026, 11, 14, 2, 15, tzinfo=ZoneInfo("Europe/Berlin"))}
    assert b'"updated_at": "2026-11-14T01:15:00Z"' in Head(**head).to_bytes()


def test_an_error_never_quotes_what_the_document_holds() -> None:
    with pytest.raises(IntegrityError) as caught:
        parse(DOCUMENTS[0], changed(DOCUMENTS[0], rows="canary-of-the-bucket"))
    assert "canary" not in str(caught.value)
