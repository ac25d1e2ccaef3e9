"""What is left of a stream whose process dies, and how much memory a long one takes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from staging.open_store import open_store
from staging.store import Store

pytestmark = pytest.mark.integration

CHILD = Path(__file__).with_name("child.py")


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, "exit"])
def test_a_stream_whose_process_ends_leaves_nothing(store: Store, store_url: str, end: signal.Signals | str) -> None:
    child = subprocess.Popen(
        [sys.executable, str(CHILD), store_url, "leave_open", str(20 << 20)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    if isinstance(end, signal.Signals):
        child.send_signal(end)
    child.communicate(b"\n" if end == "exit" else None)
    assert child.returncode != 0 or end == "exit"
    assert store.find("unfinished") is None
    with open_store(store_url) as again:
        assert list(again.list("")) == []
        assert again.create("unfinished", b"free").size_bytes == 4


def test_80_mib_go_up_and_down_in_no_more_memory_than_20(store: Store, store_url: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(CHILD), store_url, "stream_and_download", str(tmp_path)],
        stdout=subprocess.PIPE,
        check=True,
    )
    after_20_mib, after_80_mib = json.loads(done.stdout)
    assert after_80_mib - after_20_mib < 16
    assert after_80_mib < 200
    with (tmp_path / "80").open("rb") as file:
        for number in range(80):
            assert file.read(1 << 20) == number.to_bytes(4, "big") * (1 << 18)
        assert file.read() == b""
