"""Damages one byte, bit or end of one stored object of a day, at any stage, and lets the jobs go on.

Two ways. *At rest*: the store still has the sum of what was written, as a disk or a bucket that loses a bit has.
*Vouched for*: the store has the sum of what is there now, as after a copy by something else: then only what our own
documents say can find it.

The jobs go on from there to the end, then the day is verified, looked at as `status` does, and a next run begins: so
everything that lies there is read. Whatever happens, the target is never wrong; and what is damaged ends in exit 40, or
it provably did not matter: the day is right and all of it verified.
"""

from __future__ import annotations

import os
import random
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from staging.documents.run_notes import read_loads
from staging.errors import IntegrityError, PenstockError
from staging.folder.generations import records_of
from staging.names import DayNames, parse_name
from staging.open_store import open_store
from tests.faults.small_day import DAY, SHARDS, Revenue, SmallDay, SmallShop, revenue_of, small_pipeline

STAGES = ("exported", "half processed", "processed", "loaded")
STAGE_WEIGHTS = (5, 4, 3, 1)
WEIGHTS: dict[str, dict[str, int]] = {
    "exported": {"shard": 20, "manifest": 8, "export": 6, "record": 2, "run": 1, "head": 1},
    "half processed": {
        "shard": 10,
        "receipt": 8,
        "manifest": 6,
        "export": 4,
        "part": 1,
        "record": 1,
        "run": 1,
        "head": 1,
    },
    "processed": {"part": 20, "receipt": 10, "manifest": 6, "export": 4, "run": 6, "record": 2, "shard": 2, "head": 1},
    "loaded": {
        "head": 6,
        "loaded": 6,
        "shard": 8,
        "part": 4,
        "receipt": 4,
        "manifest": 4,
    },
}
"""By stage and kind of object: mostly what the next job reads, so that thousands cost minutes."""
_MAY_NOT_MATTER = {False: {"record"}, True: {"run", "head", "receipt", "export", "loaded"}}
"""By whether the store vouches. A record has the object's name in it for people, and may be of what nobody reads;
a document holds times and names that decide nothing."""
RUN, NEXT_RUN = "run-0001", "run-0002"
RIGHT = revenue_of(0)

Damage = Callable[[bytes, random.Random], bytes]


def _flip_bit(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data) * 8)
    return _with_byte(data, place // 8, data[place // 8] ^ 1 << place % 8)


def _other_byte(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data))
    return _with_byte(data, place, (data[place] + rng.randrange(1, 256)) % 256)


def _other_digit(data: bytes, rng: random.Random) -> bytes:
    """What JSON takes: a digit for a digit."""
    digits = [place for place, byte in enumerate(data) if 48 <= byte <= 57]
    place = rng.choice(digits) if digits else 0
    return _with_byte(data, place, 48 + (data[place] - 48 + rng.randrange(1, 10)) % 10)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def _tail(data: bytes, rng: random.Random) -> bytes:
    return data + rng.randbytes(rng.randrange(1, 9))


def _zeros(data: bytes, rng: random.Random) -> bytes:
    first = rng.randrange(len(data))
    last = min(len(data), first + rng.randrange(1, 513))
    damaged = data[:first] + bytes(last - first) + data[last:]
    return damaged if damaged != data else _flip_bit(data, rng)


def _with_byte(data: bytes, place: int, byte: int) -> bytes:
    return data[:place] + bytes([byte]) + data[place + 1 :]


DAMAGES: dict[str, Damage] = {
    "a bit": _flip_bit,
    "a byte": _other_byte,
    "a digit": _other_digit,
    "cut": _cut,
    "a tail": _tail,
    "zeros": _zeros,
}
_CHOSEN = [*("a bit",) * 6, "a byte", "a digit", "cut", "a tail", "zeros"]
"""Mostly single bits: they are what no parser sees."""


@dataclass
class Flips:
    """What became of them: `found` by exit code 40, `without_harm` by kind of object."""

    found: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    without_harm: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """All of them."""
        return self.found.total() + self.refused.total() + self.without_harm.total()

    def __str__(self) -> str:
        return (
            f"{self.total} flips: {self.found.total()} found {dict(self.found)}, "
            f"{self.refused.total()} refused otherwise {dict(self.refused)}, "
            f"{self.without_harm.total()} did not matter {dict(self.without_harm)}"
        )


@dataclass
class StoredStage:
    """A day that got so far, in a folder of its own; `restore` makes it what it was, file by file."""

    folder: Path
    revenue: Revenue
    is_processed: bool
    files: dict[Path, tuple[bytes, int]] = field(default_factory=dict)
    objects: dict[str, list[Path]] = field(default_factory=dict)
    """The stored files by kind of object; `record` is what the store keeps of its own."""

    @property
    def staging(self) -> Path:
        """The store's folder."""
        return self.folder / "staging"

    def remember(self) -> None:
        """Note what is there now."""
        self.files = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in self._all()}
        for path in self.files:
            if path.is_relative_to(self.staging) and self.files[path][0]:
                parsed = parse_name(path.relative_to(self.staging).as_posix())
                self.objects.setdefault(parsed.kind if parsed else "record", []).append(path)

    def put(self, path: Path, data: bytes, times: int) -> None:
        """Write, and keep the time of the file, which is the generation of an object."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, ns=(times, times))

    def restore(self) -> None:
        """Put back what was changed, and remove what is new."""
        now = {path: path.stat().st_mtime_ns for path in self._all()}
        for path in now.keys() - self.files.keys():
            path.unlink()
        for path, (data, times) in self.files.items():
            if now.get(path) != times:
                self.put(path, data, times)

    def _all(self) -> list[Path]:
        return [Path(here, file) for here, _, files in os.walk(self.folder) for file in sorted(files)]


class FlippedDay:
    """The stages of one small day in SQLite and a folder, each damaged again and again."""

    def __init__(self, folder: Path, *, vouched: bool) -> None:
        self.vouched, self.flips = vouched, Flips()
        self._stages: dict[str, StoredStage] = {}
        for number, stage in enumerate(STAGES):
            self._stages[stage] = self._make(folder / stage.replace(" ", "_"), done=number)

    def flip(self, seed: int) -> None:
        """Damage what this seed says; AssertionError where that made a wrong day, or was not found."""
        rng = random.Random(seed)
        name = rng.choices(STAGES, STAGE_WEIGHTS)[0]
        stage = self._stages[name]
        kinds = stage.objects
        known = sorted(kinds.keys() - ({"record"} if self.vouched else set()))
        kind = rng.choices(known, [WEIGHTS[name].get(kind, 1) for kind in known])[0]
        path, damage = rng.choice(kinds[kind]), rng.choice(_CHOSEN)
        data, times = stage.files[path]
        stage.put(path, DAMAGES[damage](data, rng), times)
        if self.vouched:  # a file without a record is taken as it is
            shutil.rmtree(stage.staging.joinpath(*records_of(path.relative_to(stage.staging).as_posix())))
        case = f"seed {seed}: {damage} of {path.relative_to(stage.staging)}, {name}"
        shop = _shop_of(stage.folder)
        try:
            self._go_on(stage, shop, first=_shard_of(path))
        except IntegrityError:
            self.flips.found[kind] += 1
        except PenstockError as error:
            if not self.vouched:
                raise AssertionError(case) from error
            self.flips.refused[f"{kind} ({error.exit_code})"] += 1
        else:
            self.flips.without_harm[kind] += 1
            assert kind in _MAY_NOT_MATTER[self.vouched], f"{case} was not found"
            assert shop.revenue() == RIGHT, f"{case} ended in green and is wrong"
        assert shop.revenue() in (stage.revenue, RIGHT), f"{case} made a wrong day"
        stage.put(path, data, times)
        stage.restore()

    def prove_undamaged(self) -> None:
        """AssertionError unless each stage, as it is after all damage was mended, goes on to the right day."""
        for stage in self._stages.values():
            shop = _shop_of(stage.folder)
            self._go_on(stage, shop)
            assert shop.revenue() == RIGHT
            stage.restore()

    def _go_on(self, stage: StoredStage, shop: SmallShop, *, first: int = 0) -> None:
        """Do all that is left, the task of the shard `first` before the others', as tasks do that run at once."""
        pipeline = small_pipeline(shop, stage.staging.as_uri())
        names = DayNames(pipeline.name, DAY)
        with open_store(pipeline.staging.url) as store:
            day = SmallDay(shop, pipeline, store, stage.folder / "scratch")
            if stage.revenue:
                read_loads(store, names, RUN)
                day.export(NEXT_RUN)
                _verify(day)
            if not stage.is_processed:
                for task in sorted(range(SHARDS), key=lambda task: task != first):
                    day.process(RUN, index=task, count=SHARDS)
            day.load(RUN)
            if not stage.revenue:
                _verify(day)
                day.export(NEXT_RUN)

    def _make(self, folder: Path, *, done: int) -> StoredStage:
        staging, shop = folder / "staging", _shop_of(folder)
        staging.mkdir(parents=True)
        shop.fill()
        pipeline = small_pipeline(shop, staging.as_uri())
        with open_store(pipeline.staging.url) as store:
            day = SmallDay(shop, pipeline, store, folder / "scratch")
            day.init()
            steps: list[Callable[[], None]] = [
                lambda: day.export(RUN),
                lambda: day.process(RUN, index=0, count=SHARDS),
                lambda: day.process(RUN),
                lambda: day.load(RUN),
            ]
            for step in steps[: done + 1]:
                step()
        made = StoredStage(folder, shop.revenue(), is_processed=done >= STAGES.index("processed"))
        made.remember()
        return made


def _verify(day: SmallDay) -> None:
    verified = day.verify()
    if not verified.ok:
        raise IntegrityError("; ".join(check.why for check in verified.checks if not check.ok))


def _shard_of(path: Path) -> int:
    found = re.search(r"shard=(\d+)", str(path))
    return int(found[1]) if found else 0


def _shop_of(folder: Path) -> SmallShop:
    return SmallShop(f"sqlite:///{folder / 'shop.sqlite'}")
