"""`penstock gc` beside real runs: after it every command works as before, whatever it met and wherever it was ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chain.gc.collect import clean_up
from chain.gc.plan import DayGarbage
from staging.folder.generations import records_of
from staging.names import ParsedName, parse_name
from staging.open_store import open_store
from staging.process.cancel import Cancel
from tests.chain.range.small_range import SmallRange

pytestmark = pytest.mark.integration

DAY, NEXT = "2026-10-25", "2026-10-26"
MONTH = timedelta(days=30)
KILLED_CHILD = """\
import os, sys
from datetime import UTC, datetime, timedelta
from chain.gc.collect import clean_up
from staging.process.cancel import Cancel
from staging.folder.store import FolderStore
from staging.open_store import open_store

deleted, limit = 0, int(sys.argv[2])
original = FolderStore.delete
def delete(self, name, *, generation):
    global deleted
    if deleted >= limit: os.kill(os.getpid(), 9)
    deleted += 1
    original(self, name, generation=generation)
FolderStore.delete = delete
with open_store(sys.argv[1]) as store:
    now = datetime.now(UTC) + timedelta(days=60)
    list(clean_up(store, "daily_revenue", Cancel(), timedelta(days=30), now, delete=True))
"""


def test_after_it_every_day_is_verified_reprocessed_run_and_resumed_as_before(shop: SmallRange) -> None:
    shop.outcomes(DAY, NEXT)
    done(shop, "run", "--day", DAY, "--fresh-export")
    done(shop, "reprocess", "--day", DAY)
    shop.faults(DAY)
    assert shop.penstock("run", "--day", DAY, "--fresh-export").returncode == 10  # the last run is half done
    shop.faults()
    done(shop, "reprocess", "--day", NEXT)
    before = ids(shop)
    found = clean(shop)
    # of the first day: both older runs and the first export; of the second: the first run
    assert sorted(bundle.kind for garbage in found for bundle in garbage.bundles) == ["export", "run", "run", "run"]
    assert len(before) - len(ids(shop)) == 4

    for day in (DAY, NEXT):
        done(shop, "verify", "--day", day)
    done(shop, "resume", "--day", DAY)
    done(shop, "verify", "--day", DAY)
    for day in (DAY, NEXT):
        for command in ("reprocess", "run", "verify"):
            done(shop, command, "--day", day)
    shop.assert_right(DAY, NEXT)
    done(shop, "run", "--day", DAY, "--fresh-export")
    clean(shop)
    done(shop, "verify", "--day", DAY)
    assert len([each for each in ids(shop) if each[0] == DAY]) == 2  # one export, one run


@pytest.mark.parametrize("deletions", [1, 6])
def test_killed_in_the_middle_the_same_again_ends_it_and_the_day_is_whole(shop: SmallRange, deletions: int) -> None:
    done(shop, "run", "--day", DAY)
    done(shop, "run", "--day", DAY, "--fresh-export")
    whole = ids(shop)
    child = [sys.executable, "-c", KILLED_CHILD, shop.staging.as_uri(), str(deletions)]
    assert subprocess.run(child, cwd=Path.cwd(), env=dict(os.environ), check=False).returncode == -9
    done(shop, "verify", "--day", DAY)
    clean(shop)
    assert len(whole) == 4
    assert len(ids(shop)) == 2
    done(shop, "verify", "--day", DAY)
    done(shop, "reprocess", "--day", DAY)
    shop.assert_right(DAY)


def test_beside_runs_that_export_and_reprocess_it_takes_nothing_of_theirs(shop: SmallRange) -> None:
    """As if everything were old: only that a day is held, and what is current, keeps it."""
    shop.outcomes(DAY, NEXT)
    over = threading.Event()
    seen: list[DayGarbage] = []

    def clean_again_and_again() -> None:
        while not over.is_set():
            seen.extend(clean(shop, age=timedelta(minutes=1), older_than=timedelta(0)))
            over.wait(0.2)

    cleaner = threading.Thread(target=clean_again_and_again)
    cleaner.start()
    try:
        running = [
            shop.begin("run", "--day", DAY, "--fresh-export", python=sys.executable),
            shop.begin("backfill", "--from", NEXT, "--to", NEXT, "--reprocess", python=sys.executable),
        ]
        ended = [(process.communicate(timeout=90)[1], process.returncode) for process in running]
    finally:
        over.set()
        cleaner.join()
    assert [code for _, code in ended] == [0, 0], ended
    assert any("works on it" in garbage.kept_whole for garbage in seen)
    clean(shop)
    for day in (DAY, NEXT):
        done(shop, "verify", "--day", day)
    shop.assert_right(DAY, NEXT)


def test_the_command_only_lists_unless_told_and_what_is_young_stays(shop: SmallRange) -> None:
    done(shop, "run", "--day", DAY)
    done(shop, "run", "--day", DAY, "--fresh-export")
    old = {(day, kind, id_) for day, kind, id_ in ids(shop) if (kind, id_) not in current(shop, DAY)}
    names = {f"{kind}={id_}" for _, kind, id_ in old}
    nothing = "daily_revenue: nothing older than 30 days that no day needs.\n"
    assert shop.penstock("gc", "--delete").stdout == nothing
    for name in names:
        if name.startswith("export="):
            make_older(shop.staging, f"daily_revenue/day={DAY}/{name}", days=40)
    assert shop.penstock("gc", "--delete").stdout == nothing  # the run that used it is young
    for name in names:
        if name.startswith("run="):
            make_older(shop.staging, f"daily_revenue/day={DAY}/{name}", days=40)

    before = ids(shop)
    listed = shop.penstock("gc")
    assert listed.returncode == 0, listed.stderr
    lines = listed.stdout.splitlines()
    assert {line.split()[1] for line in lines[:2]} == names
    assert lines[2].startswith("daily_revenue: 1 export and 1 run that no day needs, ")
    assert lines[3] == "Nothing was deleted: --delete does."
    assert max(map(len, lines)) <= 80
    assert ids(shop) == before

    data = json.loads(shop.penstock("gc", "--json", "--older-than", "39").stdout)
    assert not data["deleted"]
    assert {f"{each['kind']}={each['id']}" for each in data["garbage"]} == names
    assert data["size_bytes"] == sum(each["size_bytes"] for each in data["garbage"]) > 0
    assert json.loads(shop.penstock("gc", "--json", "--older-than", "41").stdout)["garbage"] == []
    assert shop.penstock("gc", "--older-than", "0").returncode == 2

    ended = shop.penstock("gc", "--delete")
    assert ended.stdout.splitlines()[-1].endswith(": deleted.")
    assert before - ids(shop) == old
    done(shop, "verify", "--day", DAY)


def test_in_a_bucket_what_a_newer_export_replaced_is_deleted_and_all_else_stays(
    shop: SmallRange, gcs_bucket: str
) -> None:
    text = shop.config.read_text().replace(shop.staging.as_uri(), f"{gcs_bucket}/days")
    shop.config.write_text(text)
    done(shop, "run", "--day", DAY)
    done(shop, "run", "--day", DAY, "--fresh-export")
    with open_store(f"{gcs_bucket}/days") as store:
        before = {info.name for info in store.list("")}
        now = datetime.now(UTC) + MONTH * 2
        found = list(clean_up(store, "daily_revenue", Cancel(), MONTH, now, delete=True))
        gone = before - {info.name for info in store.list("")}
    bundles = [bundle for garbage in found for bundle in garbage.bundles]
    assert gone == {info.name for bundle in bundles for info in (*bundle.first, *bundle.rest)}
    assert [bundle.kind for bundle in bundles] == ["run", "export"]
    done(shop, "verify", "--day", DAY)
    done(shop, "reprocess", "--day", DAY)
    shop.assert_right(DAY)


def done(shop: SmallRange, command: str, *arguments: str) -> None:
    ended = shop.penstock(command, *arguments)
    assert ended.returncode == 0, ended.stderr


def clean(shop: SmallRange, *, age: timedelta = MONTH * 2, older_than: timedelta = MONTH) -> list[DayGarbage]:
    """Delete, as if everything were so old."""
    with open_store(shop.staging.as_uri()) as store:
        now = datetime.now(UTC) + age
        return list(clean_up(store, "daily_revenue", Cancel(), older_than, now, delete=True))


def ids(shop: SmallRange) -> set[tuple[str, str, str]]:
    """Day, kind and id of all exports and runs."""
    found = set()
    for path in shop.staging.rglob("*.*"):
        parsed: ParsedName | None = parse_name(path.relative_to(shop.staging).as_posix())
        if parsed is not None and parsed.kind != "head":
            kind = "export" if parsed.export_id else "run"
            found.add((parsed.day.isoformat(), kind, str(parsed.export_id or parsed.run_id)))
    return found


def current(shop: SmallRange, day: str) -> set[tuple[str, str]]:
    head = json.loads((shop.staging / f"heads/daily_revenue/day={day}.json").read_text())
    return {("export", head["export_id"]), ("run", head["run_id"])}


def make_older(folder: Path, below: str, *, days: int) -> None:
    """Let the files of a folder store have been written so many days ago."""
    for path in (folder / below).rglob("*.*"):
        microseconds = path.stat().st_mtime_ns // 1000
        older = microseconds - days * 86_400_000_000
        records = folder.joinpath(*records_of(path.relative_to(folder).as_posix()))
        (records / f"{microseconds}.json").rename(records / f"{older}.json")
        os.utime(path, ns=(older * 1000, older * 1000))
