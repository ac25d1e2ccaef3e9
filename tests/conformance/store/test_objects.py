"""What every store promises of single objects."""

from __future__ import annotations

import gc
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import google_crc32c
import pytest

from staging.errors import (
    GenerationChangedError,
    InputError,
    IntegrityError,
    ObjectExistsError,
    ObjectMissingError,
    PenstockError,
)
from staging.open_store import open_store
from staging.process.digest_beside import DigestBeside
from staging.store import ObjectWriter, Store

pytestmark = pytest.mark.integration

NAME = "daily/day=2026-11-14/run=r1/export.json"


def test_a_created_object_is_read_back_with_its_generation_size_and_sum(store: Store) -> None:
    before = datetime.now(UTC)
    info = store.create(NAME, b"some bytes")
    assert (info.name, info.size_bytes, info.crc32c) == (NAME, 10, google_crc32c.value(b"some bytes"))
    assert info.generation > 0
    assert abs(info.updated_at - before) < timedelta(minutes=5)
    assert store.read(NAME) == (b"some bytes", info)
    assert store.find(NAME) == info
    assert list(store.list("")) == [info]


def test_the_stores_clock_is_the_one_that_stamps_objects(store: Store) -> None:
    for number in range(3):
        written_at = store.create(f"{NAME}{number}", b"some bytes").updated_at
        assert written_at - timedelta(seconds=1) <= store.now() <= written_at + timedelta(seconds=30)


def test_creating_the_same_bytes_again_returns_the_object_that_is_there(store: Store) -> None:
    info = store.create(NAME, b"same")
    assert store.create(NAME, b"same") == info
    assert stream(store, NAME, b"same").commit() == info
    assert list(store.list("")) == [info]


@pytest.mark.parametrize("other", [b"diff", b"longer than before", b""])
def test_creating_other_bytes_under_a_taken_name_changes_nothing(store: Store, other: bytes) -> None:
    info = store.create(NAME, b"same")
    with pytest.raises(ObjectExistsError):
        store.create(NAME, other)
    with pytest.raises(ObjectExistsError):
        stream(store, NAME, other).commit()
    assert store.read(NAME) == (b"same", info)


def test_replacing_the_current_generation_gives_a_higher_one(store: Store) -> None:
    first = store.create(NAME, b"1")
    second = store.replace(NAME, b"22", generation=first.generation)
    third = store.replace(NAME, b"1", generation=second.generation)
    assert first.generation < second.generation < third.generation
    assert store.read(NAME) == (b"1", third)


def test_replacing_an_old_generation_changes_nothing(store: Store) -> None:
    first = store.create(NAME, b"1")
    second = store.replace(NAME, b"2", generation=first.generation)
    with pytest.raises(GenerationChangedError):
        store.replace(NAME, b"3", generation=first.generation)
    with pytest.raises(GenerationChangedError):
        store.replace(NAME, b"3", generation=second.generation + 1)
    assert store.read(NAME) == (b"2", second)


def test_replacing_what_is_not_there_creates_nothing(store: Store) -> None:
    with pytest.raises(GenerationChangedError):
        store.replace(NAME, b"1", generation=1)
    assert store.find(NAME) is None


def test_a_replacement_names_a_generation_and_is_a_document(store: Store) -> None:
    for data, generation in ((b"x", 0), (b"x", -1), (b"x" * (8 * 1024 * 1024 + 1), 1)):
        with pytest.raises(ValueError, match="replace"):
            store.replace(NAME, data, generation=generation)
    assert store.find(NAME) is None


def test_replacing_by_the_bytes_that_are_there_is_our_own_lost_reply(store: Store) -> None:
    first = store.create(NAME, b"1")
    second = store.replace(NAME, b"2 and a nonce", generation=first.generation)
    assert store.replace(NAME, b"2 and a nonce", generation=first.generation) == second


def test_only_the_named_generation_is_read(store: Store, tmp_path: Path) -> None:
    first = store.create(NAME, b"1")
    second = store.replace(NAME, b"2", generation=first.generation)
    assert store.read(NAME, generation=second.generation) == (b"2", second)
    assert store.download(NAME, tmp_path / "2", generation=second.generation) == second
    for gone in (first.generation, second.generation + 1):
        with pytest.raises(ObjectMissingError, match=str(second.generation)):
            store.read(NAME, generation=gone)
        with pytest.raises(ObjectMissingError):
            store.download(NAME, tmp_path / "1", generation=gone)
        assert not (tmp_path / "1").exists()


def test_a_deleted_object_is_gone_and_its_neighbours_stay(store: Store) -> None:
    gone, stays = store.create(NAME, b"1"), store.create(f"{NAME}.not", b"2")
    store.delete(NAME, generation=gone.generation)
    assert store.find(NAME) is None
    assert list(store.list("")) == [stays]
    store.delete(NAME, generation=gone.generation)  # as after a lost reply
    store.delete("never/was/there", generation=1)
    assert list(store.list("")) == [stays]


def test_a_name_is_free_again_after_its_object_was_deleted_and_gets_another_generation(store: Store) -> None:
    first = store.create(NAME, b"1")
    store.delete(NAME, generation=first.generation)
    second = store.create(NAME, b"22")
    assert second.generation != first.generation
    assert store.read(NAME) == (b"22", second)


def test_a_missing_object_is_told_by_name(store: Store, tmp_path: Path) -> None:
    assert store.find("a/missing") is None
    with pytest.raises(ObjectMissingError, match="a/missing"):
        store.read("a/missing")
    with pytest.raises(ObjectMissingError, match="a/missing"):
        store.read("a/missing", generation=7)
    with pytest.raises(ObjectMissingError, match="a/missing"):
        store.download("a/missing", tmp_path / "local")
    assert list(tmp_path.glob("local")) == []


def test_an_object_of_no_bytes_is_an_object(store: Store, tmp_path: Path) -> None:
    info = store.create(NAME, b"")
    assert (info.size_bytes, info.crc32c) == (0, 0)
    assert store.read(NAME) == (b"", info)
    assert store.download(NAME, tmp_path / "local") == info
    assert (tmp_path / "local").read_bytes() == b""
    streamed = store.create_stream("other").commit()
    assert store.read("other") == (b"", streamed)


def test_more_than_the_wanted_bytes_are_not_read(store: Store) -> None:
    store.create(NAME, b"12345")
    assert store.read(NAME, max_bytes=5)[0] == b"12345"
    with pytest.raises(IntegrityError, match="5 bytes"):
        store.read(NAME, max_bytes=4)


@pytest.mark.parametrize("size_bytes", [0, 10, 64 * 1024, 3 * 1024 * 1024 + 7])
def test_a_download_digests_the_bytes_that_it_writes(store: Store, tmp_path: Path, size_bytes: int) -> None:
    data = (bytes(range(251)) * (size_bytes // 251 + 1))[:size_bytes]
    writer = store.create_stream(NAME)
    writer.write(data)
    info = writer.commit()
    with DigestBeside() as digest:
        assert store.download(NAME, tmp_path / "local", generation=info.generation, digest=digest) == info
        assert digest.hexdigest() == hashlib.sha256(data).hexdigest()
    assert (tmp_path / "local").read_bytes() == data


def test_a_download_never_overwrites_a_local_file(store: Store, tmp_path: Path) -> None:
    store.create(NAME, b"new")
    (tmp_path / "local").write_bytes(b"old")
    with pytest.raises(InputError, match="local"):
        store.download(NAME, tmp_path / "local")
    assert (tmp_path / "local").read_bytes() == b"old"


def test_listing_is_by_prefix_and_in_the_order_of_utf8(store: Store) -> None:
    names = ["a-b/x", "a/b", "a/b.json", "a/b/c"[:3] + "-c", "a/ä", "a/z", "a/\U0001f600", "a/\ufb01", "b"]
    for name in names:
        store.create(name, b"")
    ordered = sorted(set(names), key=str.encode)
    assert [info.name for info in store.list("")] == ordered
    for prefix in ("a", "a/", "a/b", "a/b.", "b", "c", "a/b.json/", "a/b.json", "a/missing/"):
        assert [info.name for info in store.list(prefix)] == [name for name in ordered if name.startswith(prefix)]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "/etc/passwd",
        "a/",
        "a//b",
        "..",
        ".",
        "../outside",
        "a/../../outside",
        "a/..",
        "a/./b",
        "a\nb",
        "a\rb",
        "a\0b",
        "a\x7f",
        "a\u2028b",
        "\ud800",
        "x" * 1025,
        "ä" * 513,
        ".penstock/lock",
        ".well-known/acme-challenge/x",
    ],
)
def test_a_name_that_is_none_or_leaves_the_prefix_is_refused_by_every_verb(
    store: Store, store_url: str, tmp_path: Path, name: str
) -> None:
    for verb in (
        lambda: store.create(name, b"x"),
        lambda: store.create_stream(name),
        lambda: store.replace(name, b"x", generation=1),
        lambda: store.read(name),
        lambda: store.download(name, tmp_path / "local"),
        lambda: store.find(name),
        lambda: store.delete(name, generation=1),
    ):
        with pytest.raises(InputError):
            verb()
    with open_store(store_url) as other:
        assert list(other.list("")) == []
    assert [path.name for path in tmp_path.iterdir() if path.name != "staging"] == []


@pytest.mark.parametrize("prefix", ["..", "../", "a/../", "/", "a//", "a\0", "./", "\ud800"])
def test_a_listing_that_would_leave_the_prefix_is_refused(store: Store, prefix: str) -> None:
    if prefix == "..":
        assert list(store.list(prefix)) == []  # no name begins so
        return
    with pytest.raises(InputError):
        list(store.list(prefix))


@pytest.mark.parametrize(
    "name", ["a b", "ä/ß", "a+b", "a%2Fb", "a?b=c&d", "a#b", "a\\b", "~", "...", "a:b", "*", "a'\"b"]
)
def test_odd_names_are_taken_as_they_are(store: Store, name: str) -> None:
    info = store.create(name, b"x")
    assert store.read(name) == (b"x", info)
    assert [found.name for found in store.list("")] == [name]


def test_an_object_of_an_hour_keeps_the_plus_and_the_colon_of_its_name(store: Store, tmp_path: Path) -> None:
    name = "hourly/day=2026-10-25T02+02:00/run=r1/export.json"
    others = [store.create(name.replace("+02:00", offset), b"other") for offset in ("+01:00", " 02:00", "%2B02:00")]
    info = store.create(name, b"some bytes")
    streamed = stream(store, name + "l", b"streamed").commit()
    assert store.read(name) == (b"some bytes", info)
    assert store.download(name, tmp_path / "copy") == info == store.find(name)
    assert list(store.list(name.removesuffix("export.json"))) == [info, streamed]
    replaced = store.replace(name, b"other bytes", generation=info.generation)
    store.delete(name, generation=replaced.generation)
    assert {each.name for each in store.list("hourly/")} == {each.name for each in (*others, streamed)}


def test_another_prefix_of_the_same_place_sees_nothing(store: Store, store_url: str) -> None:
    store.create("a", b"x")
    with open_store(f"{store_url}-2") as neighbour:
        assert list(neighbour.list("")) == []
        assert neighbour.find("a") is None


def test_the_url_opens_the_same_store_again(store: Store) -> None:
    info = store.create("a", b"x")
    with open_store(store.url) as again:
        assert again.find("a") == info


# --- streams --------------------------------------------------------------------------------------------------------


def test_a_stream_is_there_after_commit_and_not_before(store: Store) -> None:
    writer = stream(store, NAME, b"first", b"", memoryview(b"second"), bytearray(b"third"))
    assert store.find(NAME) is None
    assert list(store.list("")) == []
    info = writer.commit()
    assert store.read(NAME) == (b"firstsecondthird", info)
    assert list(store.list("")) == [info]
    writer.abort()
    assert store.find(NAME) == info


SIZES = [1, 1 << 20, (1 << 20) + 1, 8 << 20, (8 << 20) + 1, 17 << 20]


@pytest.mark.parametrize("size_bytes", SIZES)
def test_a_stream_of_any_size_arrives_whole(store: Store, tmp_path: Path, size_bytes: int) -> None:
    data = bytes(i * 7 % 251 for i in range(4099)) * (size_bytes // 4099 + 1)
    data = data[:size_bytes]
    pieces = [data[at : at + 700_001] for at in range(0, size_bytes, 700_001)]
    info = stream(store, NAME, *pieces).commit()
    assert (info.size_bytes, info.crc32c) == (size_bytes, google_crc32c.value(data))
    assert store.download(NAME, tmp_path / "local") == info
    assert (tmp_path / "local").read_bytes() == data


@pytest.mark.parametrize("size_bytes", [10, 20 << 20])
@pytest.mark.parametrize("end", ["abort", "drop", "collect", "exception"])
def test_a_stream_that_is_not_committed_leaves_nothing(store: Store, store_url: str, end: str, size_bytes: int) -> None:
    writer: ObjectWriter | None = stream(store, NAME, b"x" * size_bytes)
    assert writer is not None
    if end == "abort":
        writer.abort()
        writer.abort()
    elif end == "drop":
        writer = None
    elif end == "collect":
        cycle: list[object] = [writer]
        cycle.append(cycle)
        del cycle, writer
        gc.collect()
    else:
        with pytest.raises(ZeroDivisionError):
            _fail_while_writing(store)
        writer.abort()
    gc.collect()
    assert store.find(NAME) is None
    with open_store(store_url) as again:
        assert list(again.list("")) == []
        assert again.create(NAME, b"free").size_bytes == 4


def test_a_writer_that_is_over_takes_nothing_more(store: Store) -> None:
    writer = stream(store, NAME, b"x")
    writer.commit()
    for use in (lambda: writer.write(b"y"), writer.commit):
        with pytest.raises(PenstockError):
            use()
    assert store.read(NAME)[0] == b"x"
    aborted = stream(store, "other", b"x")
    aborted.abort()
    with pytest.raises(PenstockError):
        aborted.commit()
    assert store.find("other") is None


def test_many_streams_are_open_at_once(store: Store) -> None:
    writers = {
        f"shard={number:05d}/0.parquet": store.create_stream(f"shard={number:05d}/0.parquet") for number in range(100)
    }
    for piece in range(3):
        for name, writer in writers.items():
            writer.write(f"{name}:{piece};".encode() * 1000)
    for writer in writers.values():
        writer.commit()
    assert [info.name for info in store.list("")] == list(writers)
    assert store.read("shard=00042/0.parquet")[0] == b"".join(b"shard=00042/0.parquet:%d;" % p * 1000 for p in range(3))


def stream(store: Store, name: str, *pieces: bytes | bytearray | memoryview) -> ObjectWriter:
    writer = store.create_stream(name)
    for piece in pieces:
        assert writer.write(piece) == len(piece)
    return writer


def _fail_while_writing(store: Store) -> None:
    writer = stream(store, NAME, b"x")
    writer.write(b"y" * (1 // 0))
