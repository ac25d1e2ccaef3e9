"""Disks that are full during a real export: of the staging store, of a storage service, of a database server.

Each is named, ends with 20 and leaves nothing that counts; once there is room, the same run is right.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from exporter.export_day import Surroundings, export_day
from exporter.open_source import open_source
from staging.config.pipeline import StagingConfig
from staging.errors import ExitCode, InputError, UnavailableError
from staging.gcs.store import open_gcs_store
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from tests.exporter.days import DAY, NOW, committed, pipeline, run_export
from tests.servers import missing
from tests.servers.fake_gcs import FakeGcsServer
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer
from tests.servers.programs import CHECKOUT, ServerMissingError
from tests.servers.server import PASSWORD, Server
from tests.servers.small_disk import SmallDisk
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

pytestmark = [pytest.mark.integration, pytest.mark.serial]

ROWS = 3000
AMOUNT = "4498500.00"
SPILLED_ROWS = 100_000
MIB = 1024 * 1024
_PATIENCE_SECONDS = 6  # an export waits for so long, and a third of it for an answer

_FILL = {
    "postgresql": "INSERT INTO purchases SELECT n, n / 7, timestamptz '2026-11-13 23:00+00' "
    "+ n * interval '{step} milliseconds', n FROM generate_series(0, {last}) n",
    "mariadb": "INSERT INTO purchases SELECT seq, seq DIV 7, TIMESTAMP '2026-11-13 23:00' "
    "+ INTERVAL seq * {step} * 1000 MICROSECOND, seq FROM seq_0_to_{last}",
}

_FILL["mysql"] = _FILL["mariadb"]


def _create(url: str, rows: int = ROWS) -> str:
    database = Database(url)
    columns = {"purchased_at": "datetime(6) NOT NULL"} if database.is_mysql_family else None
    create_purchases(database, columns=columns, index=False)
    database.execute(_FILL[database.dialect].format(step=84_000_000 // rows, last=rows - 1))
    database.execute("CREATE INDEX purchases_time ON purchases (purchased_at)")
    database.execute("ANALYZE TABLE purchases" if database.is_mysql_family else "ANALYZE purchases")
    return url


def _settings(url: str, folder: Path, read: str, table: str = "purchases") -> Any:
    made = pipeline(url, folder, export={"read": read, "shards": 2}, table=table)
    return made.model_copy(update={"pacing": made.pacing.model_copy(update={"gentle": "replica"})})


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with _missing_is_told():
        made = SmallDisk(MIB)
    yield made
    made.close()


@contextmanager
def _missing_is_told() -> Iterator[None]:
    try:
        yield
    except ServerMissingError as error:
        missing.skip_or_fail(error)


# --- the staging folder's -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("database", "read"),
    [
        ("postgres", "slices"),
        *(pytest.param(name, "snapshot", marks=pytest.mark.nightly) for name in ("mariadb", "mysql")),
    ],
)
@pytest.mark.fault("full disk", step="export")
def test_a_staging_disk_that_is_full_at_any_page_is_named_and_the_same_run_is_right_once_there_is_room(
    request: pytest.FixtureRequest, disk: SmallDisk, database: str, read: str
) -> None:
    url = _create(request.getfixturevalue(f"{database}_database"))
    child = [sys.executable, "-m", "tests.exporter.full_disk_child", url, str(disk.folder), read]
    ended = subprocess.run([*disk.prefix, *child], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    *told, done = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [name.rpartition("/")[2] for name in done["committed"] if "shard" not in name] == [
        "manifest.json",
        "export.json",
    ]
    refused, again = told[::2], told[1::2]
    assert len(refused) == len(again) == done["pages"] > 8  # a head, a run, shards, manifest and notes of all of them
    for each in refused:
        assert each["exit_code"] == ExitCode.UNAVAILABLE
        assert each["why"] == "The disk that it lies on is full (No space left on device)."
        assert str(disk.folder) in each["what"]
        assert "Free space" in each["fix"]
        settled = any(name.endswith("/export.json") for name in each["committed"])
        assert not settled or any(name.endswith("/manifest.json") for name in each["committed"])
    assert refused[0]["committed"] == []
    assert again == [{"rows": ROWS, "sums": {"amount": AMOUNT}}] * len(again)


def test_the_command_ends_with_20_and_says_which_disk_is_full(
    postgres_database: str, disk: SmallDisk, tmp_path: Path
) -> None:
    _create(postgres_database)
    config = tmp_path / "pipeline.toml"
    config.write_text(
        'name = "daily_revenue"\n[source]\nurl = "env:SHOP_URL"\ntable = "purchases"\nkey = "user_id"\n'
        'time = "purchased_at"\ncolumns = ["amount"]\ntimezone = "Europe/Berlin"\n'
        f'[staging]\nurl = "file://{disk.folder}/stage"\n[export]\nread = "slices"\nshards = 2\n'
        '[pacing]\ngentle = "replica"\n[target]\nurl = "sqlite:///target.db"\ntable = "revenue"\n',
        encoding="utf-8",
    )

    def run() -> tuple[int, str]:
        command = [sys.executable, "-m", "exporter", "--config", str(config), "--day", str(DAY), "--run-id", "run-1"]
        environ = {**os.environ, "SHOP_URL": postgres_database}
        ended = subprocess.run([*disk.prefix, *command], env=environ, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stderr

    for but_bytes in (0, 32 * 1024):
        disk.fill(but_bytes=but_bytes)
        code, error = run()
        assert code == ExitCode.UNAVAILABLE, error
        assert f"{disk.folder}/stage" in error
        assert "why: The disk that it lies on is full (No space left on device)." in error
        assert "fix: Free space on the disk" in error
        assert PASSWORD not in error
        assert committed(disk.outside) == []
    disk.make_room()
    code, error = run()
    assert code == ExitCode.DONE, error
    (manifest,) = [name for name in committed(disk.outside) if name.endswith("manifest.json")]
    found = json.loads((disk.outside / manifest).read_bytes())
    assert (found["rows"], found["sums"]) == (ROWS, {"amount": AMOUNT})


@pytest.mark.may_skip(reason="a disk without room for one more file needs a namespace of its own")
def test_a_disk_without_room_for_one_more_folder_is_full_as_well(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o nr_inodes=1 penstock {tmp_path} && exec "
    begin = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*begin, f"{mount} true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no namespaces here")
    opens = "import sys; from staging.folder.store import open_folder_store; open_folder_store(sys.argv[1])"
    command = [*begin, f'{mount} "$@"', "sh", sys.executable, "-c", opens, f"file://{tmp_path}/stage"]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert f"UnavailableError: The staging folder {tmp_path}/stage can't be made." in ended.stderr
    assert "why: The disk that it lies on is full (No space left on device)." in ended.stderr


# --- a storage service's --------------------------------------------------------------------------------------------


class _OnSmallDisk(Server):
    """A server that has a small disk, too, which its user may write to."""

    disk: SmallDisk
    size_bytes = MIB

    def prepare(self) -> None:
        super().prepare()  # type: ignore[safe-super] # the server's own, which comes next
        self.disk = SmallDisk(self.size_bytes, user=self.user)

    def close(self) -> None:
        super().close()
        if hasattr(self, "disk"):
            self.disk.close()


class _GcsOnSmallDisk(_OnSmallDisk, FakeGcsServer):
    size_bytes = 3 * MIB

    def command(self) -> list[str]:
        return [
            *("filesystem" if part == "memory" else part for part in super().command()),
            *("-filesystem-root", str(self.disk.outside)),
        ]


S = TypeVar("S", bound=Server)


@contextmanager
def _serving(make: Callable[[], S]) -> Iterator[S]:
    with _missing_is_told():
        server = make()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def gcs(monkeypatch: pytest.MonkeyPatch) -> Iterator[_GcsOnSmallDisk]:
    with _serving(_GcsOnSmallDisk) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        yield server


def test_a_storage_service_whose_disk_is_full_is_named_and_the_same_run_is_right_once_there_is_room(
    mariadb_database: str, gcs: _GcsOnSmallDisk, tmp_path: Path
) -> None:
    url = f"gs://{gcs.create_bucket()}/stage"
    settings = _settings(_create(mariadb_database), tmp_path, "slices")
    settings = settings.model_copy(update={"staging": StagingConfig(url=url)})

    def export() -> list[str]:
        """Export with little patience, and give the names there are."""
        with open_gcs_store(url, patience_seconds=_PATIENCE_SECONDS) as store:
            around = Surroundings(store, open_source, lambda: NOW, Cancel(), Progress())
            try:
                export_day(settings, DAY, "run-0001", around, fresh_export=False)
            finally:
                names = [info.name.rpartition("/")[2] for info in store.list("daily_revenue/")]
        return names

    gcs.disk.fill(but_bytes=16 * 1024)  # for what comes before the shards
    with pytest.raises(UnavailableError) as caught:
        export()
    assert "no space left on device" in caught.value.why
    assert str(gcs.disk.outside) in caught.value.why
    assert url in caught.value.what
    assert caught.value.fix.startswith("Free space on the disk of the storage service")
    gcs.disk.make_room()
    assert sorted(export()) == ["0.parquet", "0.parquet", "export.json", "manifest.json", "run.json"]


def test_an_upload_in_chunks_that_the_full_service_forgot_is_told_with_what_it_said_before(
    gcs: _GcsOnSmallDisk,
) -> None:
    with open_gcs_store(f"gs://{gcs.create_bucket()}") as store:
        data = os.urandom(3 * MIB // 2)
        gcs.disk.fill(but_bytes=MIB)
        with pytest.raises(UnavailableError) as caught:
            store.create("large", data)
        assert "no space left on device" in caught.value.why
        assert caught.value.fix.startswith("Free space on the disk of the storage service")
        assert store.find("large") is None
        gcs.disk.make_room()
        assert store.create("large", data).size_bytes == len(data)


# --- a database server's --------------------------------------------------------------------------------------------


class _PostgresOnSmallDisk(_OnSmallDisk, PostgresServer):
    size_bytes = 64 * MIB


class _MariadbOnSmallDisk(_OnSmallDisk, MariadbServer):
    size_bytes = 64 * MIB  # its log of the filling passes through there, too

    def command(self) -> list[str]:
        # In the namespace it is root by name and its own user by right.
        user = ["--user=root"] if self.disk.prefix else []
        memory = ["--tmp-memory-table-size=1M", "--max-heap-table-size=1M"]
        return [*self.disk.prefix, *super().command(), *user, *memory, f"--tmpdir={self.disk.folder}"]


def _check_refused(settings: Any, folder: Path) -> UnavailableError:
    with pytest.raises(UnavailableError) as caught:
        run_export(settings)
    assert "has no room on its disk to " in caught.value.what
    assert caught.value.fix.startswith("Free space on the")
    assert committed(folder) == []
    return caught.value


def _check_spilled(settings: Any) -> None:
    manifest = run_export(settings).manifest
    assert (manifest["rows"], manifest["sums"]) == (
        SPILLED_ROWS,
        {"amount": f"{SPILLED_ROWS * (SPILLED_ROWS - 1) // 2}.00"},
    )


@pytest.mark.parametrize(
    "spills",
    [
        "SELECT DISTINCT * FROM purchases",
        pytest.param("SELECT * FROM purchases ORDER BY amount", marks=pytest.mark.nightly),
    ],
)
def test_a_view_that_spills_to_a_full_disk_of_postgres_is_named_and_read_once_there_is_room(
    tmp_path: Path, spills: str
) -> None:
    with _serving(_PostgresOnSmallDisk) as server:
        name = server.create_database()
        url = _create(server.url(name), SPILLED_ROWS)
        with server.connect() as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{server.disk.outside}'")
            for setting in ("temp_tablespaces = 'small'", "work_mem = '64kB'"):
                connection.execute(f"ALTER DATABASE {name} SET {setting}")
        Database(url).execute(f"CREATE VIEW spilling AS {spills}")
        settings = _settings(url, tmp_path, "snapshot", "spilling")
        server.disk.fill(but_bytes=MIB // 2)
        error = _check_refused(settings, tmp_path)
        assert "pg_tblspc" in error.why
        assert "No space left on device" in error.why
        assert "`temp_tablespaces`" in error.fix
        # Slices of the table itself need no room at all.
        _check_spilled(_settings(url, tmp_path / "slices", "slices"))
        server.disk.make_room()
        _check_spilled(settings)


def test_a_limit_of_temporary_space_is_named_as_what_it_is(postgres_database: str, tmp_path: Path) -> None:
    url = _create(postgres_database, SPILLED_ROWS)
    database = Database(url)
    ((name,),) = database.execute("SELECT current_database()")
    database.execute("CREATE VIEW spilling AS SELECT * FROM purchases ORDER BY amount")
    for setting in ("temp_file_limit = '1MB'", "work_mem = '64kB'"):
        database.execute(f"ALTER DATABASE {name} SET {setting}")
    settings = _settings(url, tmp_path, "snapshot", "spilling")
    with pytest.raises(InputError) as caught:
        run_export(settings)
    assert "temporary file size exceeds temp_file_limit (1024kB)" in caught.value.why
    assert caught.value.fix.startswith("Raise the limit that it names")
    assert committed(tmp_path) == []
    database.execute(f"ALTER DATABASE {name} RESET temp_file_limit")
    _check_spilled(settings)


@pytest.mark.parametrize(
    "spills",
    [
        "SELECT DISTINCT * FROM purchases",
        pytest.param("SELECT * FROM purchases ORDER BY amount LIMIT 1000000", marks=pytest.mark.nightly),
    ],
)
def test_a_view_that_spills_to_a_full_disk_of_mariadb_is_named_and_read_once_there_is_room(
    tmp_path: Path, spills: str
) -> None:
    with _serving(_MariadbOnSmallDisk) as server:
        url = _create(server.url(server.create_database()), SPILLED_ROWS)
        Database(url).execute(f"CREATE VIEW spilling AS {spills}")
        settings = _settings(url, tmp_path, "snapshot", "spilling")
        server.disk.fill(but_bytes=MIB)
        error = _check_refused(settings, tmp_path)
        assert str(server.disk.folder) in error.why
        assert "`tmpdir`" in error.fix
        # Slices of the table itself need no room at all.
        _check_spilled(_settings(url, tmp_path / "slices", "slices"))
        server.disk.make_room()
        _check_spilled(settings)
