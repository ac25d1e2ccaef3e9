"""What the folder adapter promises beyond the port: power cuts, links, editors, rights, clocks."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from staging.errors import (
    GenerationChangedError,
    InputError,
    IntegrityError,
    ObjectExistsError,
    ObjectMissingError,
    UnavailableError,
)
from staging.folder.generations import records_of
from staging.folder.reading import check_bytes
from staging.folder.store import FolderStore, open_folder_store
from staging.open_store import open_store

pytestmark = pytest.mark.integration

KILLED = Path(__file__).with_name("folder_child.py")
NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the store lies."""
    return tmp_path / "staging"


@pytest.fixture
def store(folder: Path) -> FolderStore:
    """An empty store in a new folder."""
    return open_folder_store(folder.as_uri())


# --- killed at any instant ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deed", ["create", "stream", "replace"])
def test_a_process_killed_at_any_step_leaves_the_old_state_or_the_new_one(tmp_path: Path, deed: str) -> None:
    done = subprocess.run(
        [sys.executable, str(KILLED), tmp_path.as_uri(), deed], stdout=subprocess.PIPE, check=True, text=True
    )
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    deaths = [outcome for outcome in outcomes if outcome["died"]]
    assert len(deaths) > 20
    states = {tuple(outcome["bytes"]) for outcome in deaths}
    assert states == ({("old",), ("new",)} if deed == "replace" else {(), ("new",)})
    assert all(outcome["found"] in ([], ["a/b/object"]) for outcome in outcomes)
    assert all(outcome["is_repeatable"] for outcome in outcomes)
    assert all(outcome["temporary_files"] == 0 for outcome in outcomes)


def test_temporary_files_of_the_living_are_not_swept(store: FolderStore, folder: Path) -> None:
    writer = store.create_stream("a")
    writer.write(b"begun")
    other = open_folder_store(folder.as_uri())
    assert list(other.list("")) == []
    assert writer.commit() == other.find("a")
    assert list((folder / ".penstock/temporary").iterdir()) == []


def test_a_forked_child_does_not_end_its_parents_stream(store: FolderStore) -> None:
    writer = store.create_stream("a")
    writer.write(b"begun")
    child = os.fork()
    if child == 0:
        writer.abort()
        os._exit(0)
    os.waitpid(child, 0)
    assert writer.commit().size_bytes == 5


# --- generations ----------------------------------------------------------------------------------------------------


def test_generations_rise_also_when_the_clock_goes_back(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time_ns
    info = store.create("a", b"0")
    seen = [info.generation]
    for number in range(1, 6):
        monkeypatch.setattr(time, "time_ns", lambda back=number: real() - back * 3_600 * 10**9)
        seen.append(store.replace("a", b"%d" % number, generation=seen[-1]).generation)
    assert seen == sorted(set(seen))


def test_a_generation_is_not_used_again_after_the_object_was_deleted_by_hand(
    store: FolderStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_800_000_000_000_000_000)
    first = store.create("a", b"1")
    (folder / "a").unlink()
    second = store.create("a", b"2")
    assert second.generation > first.generation
    with pytest.raises(ObjectMissingError):
        store.read("a", generation=first.generation)
    with pytest.raises(GenerationChangedError):
        store.replace("a", b"3", generation=first.generation)


# --- records beside a user's files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["part-00002.parquet", "day=2026-11-14/part-0.parquet", "table.parquet/part-0.parquet"]
)
def test_readers_of_parquet_patterns_find_the_objects_and_nothing_of_ours(
    store: FolderStore, folder: Path, name: str
) -> None:
    store.create(name, _parquet([1, 2]))
    gone = store.create(f"gone/{name}", _parquet([3]))
    store.delete(gone.name, generation=gone.generation)
    assert [path for path in (folder / ".penstock").rglob("*") if "parquet" in path.name or "=" in path.name] == []
    found = duckdb.execute(f"SELECT sum(n) FROM read_parquet('{folder}/**/*.parquet')").fetchall()
    assert found == [(3,)]


def _parquet(numbers: list[int]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"n": pa.array(numbers, pa.int32())}), sink)
    return sink.getvalue()


EARLIER = 1_700_000_000_000_000
NAME = "day=1/part-00002.parquet"


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A folder as earlier versions left it: the records of an object in a folder that is called like it."""
    folder = tmp_path / "earlier"
    records = folder / ".penstock/generations" / NAME
    records.mkdir(parents=True)
    (folder / "day=1").mkdir()
    (folder / NAME).write_bytes(b"earlier")
    os.utime(folder / NAME, ns=(EARLIER * 1000, EARLIER * 1000))
    crc32c = google_crc32c.value(b"earlier")
    (records / f"{EARLIER - 9}.json").write_text('{"size_bytes": 3, "crc32c": 7}')
    (records / f"{EARLIER}.json").write_text(f'{{"size_bytes": 7, "crc32c": {crc32c}}}')
    return folder


def test_an_object_of_an_earlier_version_is_read_listed_and_made_again(earlier: Path, tmp_path: Path) -> None:
    store = open_folder_store(earlier.as_uri())
    data, info = store.read(NAME, generation=EARLIER)
    assert (data, info.generation, list(store.list("day=1/")), store.find(NAME)) == (b"earlier", EARLIER, [info], info)
    assert store.download(NAME, tmp_path / "local") == info
    assert store.create(NAME, b"earlier") == info
    with pytest.raises(ObjectExistsError):
        store.create(NAME, b"other")


@pytest.mark.parametrize("keeps_time", [True, False])
def test_an_object_of_an_earlier_version_that_was_edited_is_refused(earlier: Path, *, keeps_time: bool) -> None:
    store = open_folder_store(earlier.as_uri())
    (earlier / NAME).write_bytes(b"3dited!")
    if keeps_time:
        os.utime(earlier / NAME, ns=(EARLIER * 1000, EARLIER * 1000))
    with pytest.raises(IntegrityError):
        store.read(NAME)


def test_an_object_of_an_earlier_version_is_replaced_and_deleted(earlier: Path) -> None:
    store = open_folder_store(earlier.as_uri())
    with pytest.raises(GenerationChangedError):
        store.replace(NAME, b"new", generation=EARLIER - 9)
    info = store.replace(NAME, b"new", generation=EARLIER)
    assert (info.generation > EARLIER, store.read(NAME)) == (True, (b"new", info))
    store.delete(NAME, generation=info.generation)
    assert list(store.list("")) == []
    (earlier / NAME).parent.mkdir()
    (earlier / NAME).write_bytes(b"put there by hand")
    with pytest.raises(IntegrityError):
        store.read(NAME)


def test_a_number_that_an_earlier_version_used_is_not_used_again(earlier: Path) -> None:
    future = 4_000_000_000_000_000  # its clock was wrong
    (earlier / ".penstock/generations" / NAME / f"{future}.json").write_text('{"size_bytes": 3, "crc32c": 7}')
    store = open_folder_store(earlier.as_uri())
    store.delete(NAME, generation=EARLIER)
    assert store.create(NAME, b"new").generation == future + 1


# --- deleting -------------------------------------------------------------------------------------------------------


def test_deleting_another_generation_than_the_current_one_deletes_nothing(store: FolderStore) -> None:
    first = store.create("a", b"1")
    second = store.replace("a", b"2", generation=first.generation)
    for generation in (first.generation, second.generation + 1):
        with pytest.raises(GenerationChangedError, match="deleted"):
            store.delete("a", generation=generation)
    assert store.read("a") == (b"2", second)


def test_folders_that_a_deletion_leaves_empty_go_and_others_stay(store: FolderStore, folder: Path) -> None:
    infos = [store.create(name, b"x") for name in ("day=1/export=1/shard=0/0.parquet", "day=1/export=2/manifest.json")]
    store.delete(infos[0].name, generation=infos[0].generation)
    assert [path.name for path in (folder / "day=1").iterdir()] == ["export=2"]
    store.delete(infos[1].name, generation=infos[1].generation)
    assert [path.name for path in folder.iterdir()] == [".penstock"]


def test_a_generation_is_not_used_again_after_the_object_was_deleted(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_800_000_000_000_000_000)
    first = store.create("a", b"1")
    store.delete("a", generation=first.generation)
    assert store.create("a", b"2").generation > first.generation


def test_writers_beside_somebody_who_deletes_the_last_object_of_their_folder_lose_nothing(store: FolderStore) -> None:
    def come_and_go(own: int) -> None:
        for number in range(60):
            info = store.create(f"deep/er/{own}-{number}", b"x")
            assert store.find(info.name) == info
            store.delete(info.name, generation=info.generation)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(come_and_go, range(4)))
    assert list(store.list("")) == []


def test_a_folder_that_was_copied_whole_is_the_same_store(store: FolderStore, folder: Path, tmp_path: Path) -> None:
    first = store.create("a/b", b"1")
    info = store.replace("a/b", b"2", generation=first.generation)
    shutil.copytree(folder, tmp_path / "copy")  # keeps times, as `cp -a` and backups do
    copy = open_folder_store((tmp_path / "copy").as_uri())
    assert copy.read("a/b", generation=info.generation) == (b"2", info)


# --- files that something else wrote --------------------------------------------------------------------------------


def test_objects_are_plain_files_under_their_names(store: FolderStore, folder: Path) -> None:
    store.create("daily/day=2026-11-14/part-00000.parquet", b"bytes")
    assert (folder / "daily/day=2026-11-14/part-00000.parquet").read_bytes() == b"bytes"


def test_a_plain_file_put_there_is_an_object(store: FolderStore, folder: Path) -> None:
    (folder / "given").mkdir()
    (folder / "given/0.parquet").write_bytes(b"from elsewhere")
    data, info = store.read("given/0.parquet")
    assert data == b"from elsewhere"
    assert list(store.list("given/")) == [info]
    assert store.replace("given/0.parquet", b"ours", generation=info.generation).generation > info.generation


@pytest.mark.parametrize("keeps_time", [True, False])
@pytest.mark.parametrize("change", ["flip", "cut", "append", "empty"])
def test_a_file_that_was_changed_behind_the_stores_back_is_refused(
    store: FolderStore, folder: Path, tmp_path: Path, change: str, *, keeps_time: bool
) -> None:
    info = store.create("a", b"0123456789")
    status = (folder / "a").stat()
    changed = {"flip": b"0123456788", "cut": b"012345678", "append": b"0123456789\n", "empty": b""}[change]
    (folder / "a").write_bytes(changed)
    if keeps_time:  # as a failing disk does
        os.utime(folder / "a", ns=(status.st_atime_ns, status.st_mtime_ns))
    for read in (
        lambda: store.read("a"),
        lambda: store.read("a", generation=info.generation),
        lambda: store.download("a", tmp_path / "local"),
    ):
        with pytest.raises(IntegrityError):
            read()
    assert not (tmp_path / "local").exists()


def test_a_file_cut_behind_the_stores_back_is_refused_by_a_look_at_it(store: FolderStore, folder: Path) -> None:
    info = store.create("day/object", b"as it was written")
    os.truncate(folder / "day/object", 3)
    os.utime(folder / "day/object", ns=(info.generation * 1000, info.generation * 1000))
    with pytest.raises(IntegrityError, match="17 bytes were written; the file has 3"):
        store.find("day/object")


def test_bytes_of_another_number_are_others_whatever_their_checksum(store: FolderStore) -> None:
    """Of some texts and their beginnings the CRC32C is one and the same."""
    info = store.create("day/object", b"as it was written")
    assert info.crc32c is not None
    with pytest.raises(IntegrityError):
        check_bytes(info, 16, info.crc32c)


def test_an_edited_file_is_refused_beside_an_empty_folder_of_an_earlier_version(
    store: FolderStore, folder: Path
) -> None:
    info = store.create("day/object", b"as it was written")
    (folder / ".penstock/generations/day/object").mkdir(parents=True)
    (folder / "day/object").write_bytes(b"as it was edited!")
    os.utime(folder / "day/object", ns=((info.generation + 1) * 1000,) * 2)
    with pytest.raises(IntegrityError, match="was changed or put there"):
        store.read("day/object")


def test_a_folder_that_was_copied_without_times_says_how_to_copy_it(store: FolderStore, folder: Path) -> None:
    store.create("day/object", b"as it was written")
    as_it_is, without_times = folder.with_name("as-it-is"), folder.with_name("without-times")
    shutil.copytree(folder, as_it_is)
    shutil.copytree(folder, without_times, copy_function=shutil.copyfile)
    assert open_folder_store(as_it_is.as_uri()).read("day/object")[0] == b"as it was written"
    with pytest.raises(IntegrityError, match=r"cp -a, rsync -a or tar --format=posix"):
        open_folder_store(without_times.as_uri()).read("day/object")


def test_files_of_others_among_the_records_of_generations_are_no_numbers(store: FolderStore, folder: Path) -> None:
    first = store.create("day/object", b"first")
    records = folder.joinpath(*records_of("day/object"))
    for stray in ("notes.json", "²³.json", "-5.json", "9.txt"):
        (records / stray).write_text("{}")
    second = store.replace("day/object", b"second", generation=first.generation)
    assert second.generation > first.generation
    assert store.read("day/object")[0] == b"second"


def test_only_the_topmost_folder_of_our_name_is_ours(store: FolderStore) -> None:
    store.create("day/.penstock/object", b"a user's")
    assert [info.name for info in store.list("")] == ["day/.penstock/object"]


def test_a_file_swapped_for_another_object_is_refused(store: FolderStore, folder: Path) -> None:
    store.create("a", b"aaaa")
    store.create("b", b"bbbb")
    (folder / "a").rename(folder / "c")
    (folder / "b").rename(folder / "a")
    (folder / "c").rename(folder / "b")
    for name in ("a", "b"):
        with pytest.raises(IntegrityError):
            store.read(name)


# --- links and odd files --------------------------------------------------------------------------------------------


@pytest.fixture
def outside(folder: Path, store: FolderStore, tmp_path: Path) -> Iterator[Path]:
    """A folder beside the store with a link to it, a link to its file, and a link to nowhere inside the store."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"untouched")
    (folder / "link").symlink_to(outside)
    (folder / "file").symlink_to(outside / "secret")
    (folder / "nowhere").symlink_to(outside / "missing")
    yield outside
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_bytes() == b"untouched"


@pytest.mark.parametrize("name", ["link/secret", "link/new", "file", "nowhere", "link"])
def test_a_symbolic_link_is_followed_by_no_verb(store: FolderStore, outside: Path, tmp_path: Path, name: str) -> None:
    for verb in (
        lambda: store.create(name, b"x"),
        lambda: store.replace(name, b"x", generation=1),
        lambda: store.read(name),
        lambda: store.find(name),
        lambda: store.download(name, tmp_path / "local"),
    ):
        with pytest.raises(InputError, match=r"link|folder"):
            verb()
    assert list(store.list("")) == []
    assert list(store.list("link/")) == []


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_what_is_no_file_is_no_object(store: FolderStore, folder: Path, kind: str) -> None:
    if kind == "fifo":
        os.mkfifo(folder / "odd")
    else:
        (folder / "odd").mkdir()
    for verb in (lambda: store.read("odd"), lambda: store.create("odd", b"x")):
        with pytest.raises(InputError):
            verb()
    assert list(store.list("")) == []


def test_an_object_is_no_folder_of_others(store: FolderStore) -> None:
    store.create("a", b"x")
    for verb in (lambda: store.create("a/b", b"x"), lambda: store.read("a/b"), lambda: store.find("a/b")):
        with pytest.raises(InputError):
            verb()
    assert [info.name for info in store.list("")] == ["a"]


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    open_folder_store((tmp_path / "link").as_uri()).create("a", b"x")
    assert (tmp_path / "real/a").read_bytes() == b"x"


def test_a_name_that_the_file_system_has_no_room_for_is_refused(store: FolderStore) -> None:
    with pytest.raises(InputError, match="longer"):
        store.create("x" * 256, b"")


# --- opening --------------------------------------------------------------------------------------------------------


def test_a_missing_folder_is_made_where_its_parent_is(tmp_path: Path) -> None:
    with open_store((tmp_path / "new").as_uri()) as store:
        store.create("a", b"x")
    assert (tmp_path / "new/a").read_bytes() == b"x"
    with pytest.raises(InputError, match="parent"), open_store((tmp_path / "no/such").as_uri()):
        pass
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    "url",
    [
        "file:relative",
        "file://relative/path",
        "file://host/path",
        "file:///a?b",
        "file:///a#b",
        "file:///a%00b",
        "file:///a\nb",
        "file://",
        "",
        "folder",
        "s3://bucket/x",
        "gs:bucket",
        "gs://",
        "gs://b",
        "gs://Bucket",
        "gs://bucket//x",
        "gs://bucket/../x",
        "gs://bucket/a/./b",
        "gs://user:password@bucket/x",
    ],
)
def test_a_url_of_no_store_is_an_input_error_with_a_fix(url: str) -> None:
    with pytest.raises(InputError) as caught, open_store(url):
        pass
    assert caught.value.fix


def test_percent_signs_of_a_url_are_decoded(tmp_path: Path) -> None:
    with open_store(f"{tmp_path.as_uri()}/with%20space%25%23") as store:
        store.create("a", b"x")
        assert (tmp_path / "with space%#/a").exists()
        with open_store(store.url) as again:
            assert again.find("a")


def test_a_file_in_the_folders_place_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError), open_store((tmp_path / "file").as_uri()):
        pass


def test_a_folder_that_vanished_is_told(store: FolderStore, folder: Path) -> None:
    shutil.rmtree(folder)
    for verb in (lambda: store.find("a"), lambda: store.create("a", b""), lambda: list(store.list(""))):
        with pytest.raises(InputError, match="gone"):
            verb()


def test_a_writer_whose_hidden_file_vanished_is_unavailable(store: FolderStore, folder: Path) -> None:
    writer = store.create_stream("a")
    writer.write(b"x")
    shutil.rmtree(folder / ".penstock")
    with pytest.raises(UnavailableError):
        writer.commit()
    assert store.find("a") is None


_AS_NOBODY = """
import os, sys
from staging.errors import InputError
from staging.folder.store import open_folder_store
from staging.open_store import open_store
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
verb, url = sys.argv[1:]
try:
    with open_store(url) as store:
        if verb == "write":
            store.create("b", b"x")
        elif verb == "stream":
            store.create_stream("b")
        elif verb == "replace":
            store.replace("a", b"y", generation=store.find("a").generation)
        else:
            assert store.read("a")[0] == b"x" and [info.name for info in store.list("")] == ["a"]
            print("read")
except InputError as error:
    assert error.fix and error.why
    print("InputError")
"""


@pytest.mark.may_skip(reason="another user is needed, and only root can become one")
@pytest.mark.parametrize(
    ("verb", "expected"),
    [("write", "InputError"), ("stream", "InputError"), ("replace", "InputError"), ("read", "read")],
)
def test_a_folder_without_the_right_to_write_is_an_input_error_and_can_be_read(verb: str, expected: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    folder = Path(f"/tmp/penstock-read-only-{os.getpid()}-{verb}")
    folder.mkdir(mode=0o755)
    try:
        open_folder_store(folder.as_uri()).create("a", b"x")
        assert _as_nobody(verb, folder) == expected
    finally:
        shutil.rmtree(folder)


@pytest.mark.may_skip(reason="another user is needed, and only root can become one")
def test_a_folder_without_the_right_to_read_is_an_input_error() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    folder = Path(f"/tmp/penstock-closed-{os.getpid()}")
    folder.mkdir(mode=0o700)
    try:
        assert _as_nobody("read", folder) == "InputError"
    finally:
        shutil.rmtree(folder)


def _as_nobody(verb: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY.format(nobody=NOBODY), verb, folder.as_uri()],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.strip()
