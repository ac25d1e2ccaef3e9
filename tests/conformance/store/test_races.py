"""What every store promises to 40 writers that race, in processes and threads with connections of their own."""

from __future__ import annotations

import json
import subprocess
from itertools import chain
from typing import Any

import pytest

from staging.store import Store
from tests.servers.programs import CHECKOUT
from tests.warm import warm_python

pytestmark = pytest.mark.integration

PROCESSES = 4
THREADS = 10


def test_of_40_writers_with_bytes_of_their_own_one_creates_the_object(store: Store, store_url: str) -> None:
    results = race(store_url, "create")
    assert results.count("exists") == PROCESSES * THREADS - 1
    (winner,) = set(results) - {"exists"}
    assert store.read("contested")[0] == winner.encode()
    assert len(list(store.list(""))) == 1


def test_of_40_streams_with_bytes_of_their_own_one_creates_the_object(store: Store, store_url: str) -> None:
    results = race(store_url, "create_streamed")
    assert results.count("exists") == PROCESSES * THREADS - 1
    (winner,) = set(results) - {"exists"}
    assert store.read("contested")[0] == winner.encode() * 50_000
    assert len(list(store.list(""))) == 1


def test_40_writers_with_the_same_bytes_all_get_the_one_object(store: Store, store_url: str) -> None:
    results = race(store_url, "create_same")
    info = store.find("contested")
    assert info is not None
    assert set(results) == {info.generation}
    assert store.read("contested") == (b"all alike", info)


def test_of_40_replacers_none_loses_a_write_of_another(store: Store, store_url: str) -> None:
    first = store.create("counter", b'{"count": 0, "nonce": ""}')
    generations = list(chain.from_iterable(race(store_url, "increment")))
    data, info = store.read("counter")
    assert json.loads(data)["count"] == len(generations) == PROCESSES * THREADS * 3
    assert len(set(generations)) == len(generations)
    assert first.generation < min(generations)
    assert max(generations) == info.generation


def race(url: str, deed: str) -> list[Any]:
    children = [
        subprocess.Popen(
            [warm_python(), "-m", "tests.conformance.store.child", url, deed, str(THREADS), str(number * THREADS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=CHECKOUT,
        )
        for number in range(PROCESSES)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
        outputs = []
        for child in children:
            assert child.stdin is not None
            child.stdin.write(b"go\n")
            child.stdin.flush()
        for child in children:
            output, _ = child.communicate()
            outputs.append(json.loads(output))
        assert [child.returncode for child in children] == [0] * PROCESSES
    finally:
        for child in children:
            child.kill()
            child.wait()
    return list(chain.from_iterable(outputs))
