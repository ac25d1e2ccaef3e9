"""Exports a day on a disk that is full after ever more pages, then on one that is not: `python -m … URL FOLDER READ`.

Run where `SmallDisk.folder` is FOLDER. A line of JSON for each export: what was committed, and the error if there was
one.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from staging.errors import PenstockError
from tests.exporter.days import committed, pipeline, run_export

PAGE_BYTES = 4096


def main(url: str, folder: Path, read: str) -> None:
    """Export with a page more each time, until it succeeds."""
    pages, is_done = 0, False
    while not is_done:
        stage = folder / f"stage-{pages}"
        stage.mkdir()
        _fill(folder, but_pages=pages)
        told: dict[str, Any] = {"pages": pages}
        try:
            run_export(_settings(url, stage, read))
        except PenstockError as error:
            told |= {"what": error.what, "why": error.why, "fix": error.fix, "exit_code": int(error.exit_code)}
        else:
            is_done = True
        told["committed"] = committed(stage)
        print(json.dumps(told), flush=True)
        (folder / "filler").unlink()
        pages += 1
        if not is_done:  # there is room again: what was left behind is in nobody's way
            again = run_export(_settings(url, stage, read))
            print(json.dumps({"rows": again.manifest["rows"], "sums": again.manifest["sums"]}), flush=True)
            _remove(stage)


def _settings(url: str, stage: Path, read: str) -> Any:
    made = pipeline(url, stage, export={"read": read, "shards": 1})
    return made.model_copy(update={"pacing": made.pacing.model_copy(update={"gentle": "replica"})})


def _fill(folder: Path, *, but_pages: int) -> None:
    with (folder / "filler").open("wb") as filler:
        sizes = os.fstatvfs(filler.fileno())
        os.posix_fallocate(filler.fileno(), 0, sizes.f_bavail * sizes.f_frsize - but_pages * PAGE_BYTES)


def _remove(stage: Path) -> None:
    for path in sorted(stage.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    stage.rmdir()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
