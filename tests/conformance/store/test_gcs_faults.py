"""What the GCS adapter makes of a service that fails: refused, lost, cut, stalled and damaged requests."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from staging.errors import (
    GenerationChangedError,
    InputError,
    IntegrityError,
    ObjectExistsError,
    PenstockError,
    UnavailableError,
)
from staging.gcs.store import GcsStore, open_gcs_store
from staging.process.digest_beside import DigestBeside
from tests.conformance.store.conftest import BUFFERS_BYTES, PATIENCE_SECONDS
from tests.servers.gcs_proxy import GcsProxy

pytestmark = pytest.mark.integration

DATA = b"0123456789abcdef" * 1000
LARGE = bytes(i * i % 251 for i in range(1024)) * 1300  # two chunks of 512 KiB and a last one
REFUSALS = [
    "return-408",
    "return-429",
    "return-500",
    "return-502",
    "return-503",
    "return-504",
    "return-reset-connection",
]
LOST_REPLIES = ["return-503-after-apply", "return-reset-connection-after-apply"]


# --- small writes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [*REFUSALS, *LOST_REPLIES, "corrupt-up"])
def test_a_create_that_fails_for_a_moment_is_done_once(
    proxied_store: GcsStore, gcs_proxy: GcsProxy, fault: str
) -> None:
    gcs_proxy.arm("insert", fault, times=2 if fault in REFUSALS else 1)
    info = proxied_store.create("a", DATA)
    assert proxied_store.read("a") == (DATA, info)
    assert len(list(proxied_store.list(""))) == 1


@pytest.mark.parametrize("fault", [*REFUSALS, *LOST_REPLIES, "corrupt-up"])
def test_a_replace_that_fails_for_a_moment_is_done_once(
    proxied_store: GcsStore, gcs_proxy: GcsProxy, fault: str
) -> None:
    first = proxied_store.create("a", b"1")
    gcs_proxy.arm("insert", fault)
    second = proxied_store.replace("a", DATA, generation=first.generation)
    assert second.generation > first.generation
    assert proxied_store.read("a") == (DATA, second)


@pytest.mark.parametrize("fault", [*REFUSALS, *LOST_REPLIES])
def test_a_delete_that_fails_for_a_moment_is_done(proxied_store: GcsStore, gcs_proxy: GcsProxy, fault: str) -> None:
    info = proxied_store.create("a", DATA)
    gcs_proxy.arm("delete", fault, times=2 if fault in REFUSALS else 1)
    proxied_store.delete("a", generation=info.generation)
    assert proxied_store.find("a") is None


def test_deleting_another_generation_than_the_current_one_deletes_nothing(proxied_store: GcsStore) -> None:
    first = proxied_store.create("a", b"1")
    second = proxied_store.replace("a", b"2", generation=first.generation)
    for generation in (first.generation, second.generation + 1):
        with pytest.raises(GenerationChangedError, match="deleted"):
            proxied_store.delete("a", generation=generation)
    assert proxied_store.read("a") == (b"2", second)


def test_a_lost_reply_is_read_back_even_if_that_fails_at_first(proxied_store: GcsStore, gcs_proxy: GcsProxy) -> None:
    gcs_proxy.arm("insert", "return-503-after-apply", times=2)
    gcs_proxy.arm("stat", "return-503", times=2)
    gcs_proxy.arm("media", "return-broken-stream-after-1K")
    info = proxied_store.create("a", DATA)
    assert proxied_store.find("a") == info


def test_a_lost_reply_is_not_taken_for_ours_where_it_was_another_writer(
    proxied_store: GcsStore, gcs_proxy: GcsProxy
) -> None:
    theirs = proxied_store.create("a", b"theirs")
    gcs_proxy.arm("insert", "return-503")
    with pytest.raises(ObjectExistsError):
        proxied_store.create("a", b"ours!!")
    gcs_proxy.arm("insert", "return-503")
    with pytest.raises(GenerationChangedError):
        proxied_store.replace("a", b"ours!!", generation=theirs.generation - 1)
    assert proxied_store.read("a") == (b"theirs", theirs)


# --- streamed writes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("session", "return-503"),
        ("session", "return-reset-connection-after-apply"),
        *(("chunk", fault) for fault in [*REFUSALS, *LOST_REPLIES]),
        ("chunk", "return-503-after-256K"),
        ("chunk", "return-503-after-300K"),
        ("chunk", "return-reset-connection-after-500K"),
        *(("last", fault) for fault in ["return-503", "return-reset-connection", *LOST_REPLIES]),
        ("last", "return-503-after-256K"),
        ("last", "return-reset-connection-after-300K"),
        ("last", "return-reset-connection-after-10000K"),
    ],
)
def test_a_stream_that_fails_for_a_moment_goes_on_where_it_was(
    proxied_store: GcsStore, gcs_proxy: GcsProxy, tmp_path: Path, kind: str, fault: str
) -> None:
    gcs_proxy.arm(kind, fault)
    gcs_proxy.arm("status", "return-503", times=0 if kind == "session" else 1)
    info = stream(proxied_store, "a", LARGE)
    assert info == proxied_store.find("a")
    proxied_store.download("a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == LARGE


def test_a_stream_that_fails_at_every_chunk_still_arrives_whole(
    proxied_store: GcsStore, gcs_proxy: GcsProxy, tmp_path: Path
) -> None:
    gcs_proxy.arm("chunk", "return-503-after-300K", times=4)
    gcs_proxy.arm("last", "return-reset-connection-after-256K", times=2)
    stream(proxied_store, "a", LARGE)
    proxied_store.download("a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == LARGE


def test_a_session_that_the_service_forgot_makes_no_object(proxied_store: GcsStore, gcs_proxy: GcsProxy) -> None:
    gcs_proxy.arm("chunk", "forget")
    with pytest.raises(UnavailableError, match="session"):
        stream(proxied_store, "a", LARGE)
    gcs_proxy.arm("last", "forget")
    with pytest.raises(UnavailableError, match="session"):
        stream(proxied_store, "a", LARGE)
    assert list(proxied_store.list("")) == []


def test_a_session_that_was_forgotten_after_its_end_is_read_back(proxied_store: GcsStore, gcs_proxy: GcsProxy) -> None:
    gcs_proxy.arm("last", "return-503-after-apply")
    gcs_proxy.arm("status", "forget")
    assert stream(proxied_store, "a", LARGE) == proxied_store.find("a")


@pytest.mark.parametrize("kind", ["chunk", "last"])
def test_bytes_that_change_on_their_way_up_make_no_object(
    proxied_store: GcsStore, gcs_proxy: GcsProxy, kind: str
) -> None:
    gcs_proxy.arm(kind, "corrupt-up")
    with pytest.raises(UnavailableError, match="damaged"):
        stream(proxied_store, "a", LARGE)
    assert list(proxied_store.list("")) == []


def test_a_streamed_name_that_is_taken_meanwhile_is_told_at_commit(
    proxied_store: GcsStore, gcs_proxy: GcsProxy
) -> None:
    writer = proxied_store.create_stream("a")
    writer.write(LARGE)
    theirs = proxied_store.create("a", b"theirs")
    with pytest.raises(ObjectExistsError):
        writer.commit()
    assert proxied_store.find("a") == theirs


def test_a_stream_that_failed_once_for_good_takes_nothing_more(proxied_store: GcsStore, gcs_proxy: GcsProxy) -> None:
    writer = proxied_store.create_stream("a")
    gcs_proxy.arm("chunk", "return-403")
    with pytest.raises(InputError):
        writer.write(LARGE)
    for use in (lambda: writer.write(b"more"), writer.commit):
        with pytest.raises(UnavailableError):
            use()
    assert gcs_proxy.count("last") == 0
    assert list(proxied_store.list("")) == []


def test_an_aborted_stream_is_cancelled_at_the_service(proxied_store: GcsStore, gcs_proxy: GcsProxy) -> None:
    writer = proxied_store.create_stream("a")
    writer.write(LARGE)
    writer.abort()
    assert gcs_proxy.count("cancel") == 1
    gcs_proxy.arm("cancel", "return-reset-connection")
    writer = proxied_store.create_stream("a")
    writer.write(LARGE)
    writer.abort()
    assert list(proxied_store.list("")) == []


# --- reads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", REFUSALS)
def test_a_read_that_is_refused_for_a_moment_is_tried_again(
    proxied_store: GcsStore, gcs_proxy: GcsProxy, fault: str
) -> None:
    info = proxied_store.create("a", DATA)
    for kind in ("stat", "media"):
        gcs_proxy.arm(kind, fault, times=2)
    assert proxied_store.read("a", generation=info.generation) == (DATA, info)
    gcs_proxy.arm("list", fault)
    assert list(proxied_store.list("")) == [info]


def test_a_download_that_is_cut_goes_on_where_it_was(
    proxied_store: GcsStore, gcs_proxy: GcsProxy, tmp_path: Path
) -> None:
    info = stream(proxied_store, "a", LARGE)
    gcs_proxy.arm("media", "return-broken-stream-after-100K", times=12)
    with DigestBeside() as digest:
        assert proxied_store.download("a", tmp_path / "a", digest=digest) == info
        assert digest.hexdigest() == hashlib.sha256(LARGE).hexdigest()
    assert (tmp_path / "a").read_bytes() == LARGE
    assert gcs_proxy.count("media") == 13


def test_a_download_that_came_damaged_digests_what_came_again(
    proxied_store: GcsStore, gcs_proxy: GcsProxy, tmp_path: Path
) -> None:
    info = proxied_store.create("a", DATA)
    gcs_proxy.arm("media", "corrupt-down")
    with DigestBeside() as digest:
        assert proxied_store.download("a", tmp_path / "a", digest=digest) == info
        assert digest.hexdigest() == hashlib.sha256(DATA).hexdigest()
    assert (tmp_path / "a").read_bytes() == DATA


def test_a_download_that_stalls_goes_on_where_it_was(
    proxied_store: GcsStore, gcs_proxy: GcsProxy, tmp_path: Path
) -> None:
    info = proxied_store.create("a", DATA)
    gcs_proxy.arm("media", "stall-after-4K")
    with open_gcs_store(proxied_store.url, patience_seconds=6) as hasty:
        assert hasty.download("a", tmp_path / "a") == info
    assert (tmp_path / "a").read_bytes() == DATA


def test_one_damaged_download_is_read_again_and_a_second_is_told(
    proxied_store: GcsStore, gcs_proxy: GcsProxy, tmp_path: Path
) -> None:
    info = proxied_store.create("a", DATA)
    gcs_proxy.arm("media", "corrupt-down")
    assert proxied_store.read("a") == (DATA, info)
    gcs_proxy.arm("media", "corrupt-down", times=2)
    with pytest.raises(IntegrityError, match="CRC32C"):
        proxied_store.read("a")
    gcs_proxy.arm("media", "corrupt-down", times=2)
    with pytest.raises(IntegrityError, match="CRC32C"):
        proxied_store.download("a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


# --- a service that stays away, or says no --------------------------------------------------------------------------


VERBS: dict[str, Callable[[GcsStore, Path], object]] = {
    "create": lambda store, _: store.create("b", DATA),
    "replace": lambda store, _: store.replace("b", DATA, generation=1),
    "stream": lambda store, _: stream(store, "b", LARGE),
    "read": lambda store, _: store.read("a"),
    "download": lambda store, folder: store.download("a", folder / "a"),
    "find": lambda store, _: store.find("a"),
    "list": lambda store, _: list(store.list("")),
}


@pytest.mark.parametrize("fault", ["return-503", "stall"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_service_that_stays_away_is_unavailable(
    gcs_bucket: str, gcs_proxy: GcsProxy, tmp_path: Path, verb: str, fault: str
) -> None:
    with open_gcs_store(gcs_bucket) as store:
        info = store.create("a", DATA)
        store._objects._patience_seconds = 0.4  # only now: a slow machine shall not fail before the fault
        gcs_proxy.arm("any", fault, times=1000)
        with pytest.raises(UnavailableError):
            VERBS[verb](store, tmp_path)
        with pytest.raises(UnavailableError), open_gcs_store(gcs_bucket, patience_seconds=0.4):
            pass
        gcs_proxy.disarm()
        assert list(tmp_path.iterdir()) == []
    with open_gcs_store(gcs_bucket) as store:
        assert list(store.list("")) == [info]


def test_nobody_at_the_address_is_unavailable(gcs_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    with pytest.raises(UnavailableError, match="connection"), open_gcs_store(gcs_bucket, patience_seconds=0.5):
        pass


@pytest.mark.parametrize("address", ["localhost:4443", "ftp://127.0.0.1", "http://[bad"])
def test_an_emulators_address_that_is_none_is_an_input_error(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
    with pytest.raises(InputError, match="STORAGE_EMULATOR_HOST"), open_gcs_store("gs://bucket/prefix"):
        pass


@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_right_is_an_input_error_that_names_the_permissions(
    proxied_store: GcsStore, gcs_proxy: GcsProxy, tmp_path: Path, status: int
) -> None:
    proxied_store.create("a", DATA)
    verbs: dict[str, Callable[[], object]] = {
        "insert": lambda: proxied_store.create("b", b"x"),
        "session": lambda: stream(proxied_store, "b", LARGE),
        "last": lambda: stream(proxied_store, "b", LARGE),
        "stat": lambda: proxied_store.find("a"),
        "media": lambda: proxied_store.download("a", tmp_path / "a"),
        "list": lambda: list(proxied_store.list("")),
    }
    for kind, verb in verbs.items():
        if (kind, status) == ("media", 401):
            continue  # the client library leaves its socket open where it can't refresh anonymous credentials
        gcs_proxy.arm(kind, f"return-{status}")
        with pytest.raises(InputError, match=r"credentials|storage\.objects\.create"):
            verb()
    assert [info.name for info in proxied_store.list("")] == ["a"]


def test_a_missing_bucket_is_an_input_error(gcs_proxy: GcsProxy) -> None:
    with pytest.raises(InputError, match="no such bucket"), open_gcs_store("gs://there-is-none/prefix"):
        pass


def test_no_error_shows_the_address_of_an_upload_session(proxied_store: GcsStore, gcs_proxy: GcsProxy) -> None:
    for fault in ("return-403", "return-400", "return-418"):
        gcs_proxy.arm("last", fault)
        with pytest.raises(PenstockError) as caught:
            stream(proxied_store, "a", LARGE)
        assert "upload_id" not in str(caught.value)
        assert "upload_id" not in "".join(traceback.format_exception_only(caught.value))


@pytest.mark.parametrize("fault", ["return-503", "return-503-after-apply", "return-reset-connection"])
def test_whatever_single_request_fails_the_outcome_is_the_same(
    gcs_bucket: str, gcs_proxy: GcsProxy, tmp_path: Path, fault: str
) -> None:
    scenario(gcs_bucket, tmp_path, "calm")
    requests = len(gcs_proxy.requests)
    for number in range(requests):
        gcs_proxy.arm("any", fault, skip=number)
        scenario(gcs_bucket, tmp_path, f"{fault}-{number}")
    assert requests > 10


def scenario(bucket: str, tmp_path: Path, name: str) -> None:
    """Every verb once; the objects and bytes must be the same whatever fails."""
    with open_gcs_store(f"{bucket}/{name}", patience_seconds=PATIENCE_SECONDS, buffers_bytes=BUFFERS_BYTES) as store:
        first = store.create("head", b"1")
        second = store.replace("head", b"2", generation=first.generation)
        store.create("large", LARGE)
        writer = store.create_stream("dropped")
        writer.write(LARGE)
        writer.abort()
        assert store.read("head", generation=second.generation) == (b"2", second)
        store.download("large", tmp_path / name)
        assert (tmp_path / name).read_bytes() == LARGE
        assert [info.name for info in store.list("")] == ["head", "large"]
        with pytest.raises(ObjectExistsError):
            store.create("head", b"3")


def stream(store: GcsStore, name: str, data: bytes) -> object:
    writer = store.create_stream(name)
    try:
        for at in range(0, len(data), 1_000_000):
            writer.write(data[at : at + 1_000_000])
        return writer.commit()
    finally:
        writer.abort()
