"""The last line of each task that begins in a certain way: what a program that watches an execution needs."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.jobs_emulator.harness import Cloud, cloud, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def region() -> Iterator[Cloud]:
    with cloud(slots=4) as made:
        yield made


def last_lines(region: Cloud, **parameters: Any) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(region.address, timeout=30)
    try:
        connection.request("GET", f"/_emulator/last-lines?{urlencode(parameters)}")
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_each_task_tells_the_last_whole_line_that_begins_so_of_its_newest_attempt(
    region: Cloud, tmp_path: Path
) -> None:
    script = f"""
        echo "at $CLOUD_RUN_TASK_ATTEMPT.1"; echo "at $CLOUD_RUN_TASK_ATTEMPT.$CLOUD_RUN_TASK_INDEX"; echo other
        [ $CLOUD_RUN_TASK_INDEX$CLOUD_RUN_TASK_ATTEMPT = 20 ] && exit 1
        printf "at half a line"
        while [ $CLOUD_RUN_TASK_INDEX != 0 -a ! -e {tmp_path}/go ]; do sleep 0.05; done
        """
    region.create("job", script, task_count=3, max_retries=1)
    operation = region.run("job")
    name = operation.metadata.name
    expected = [
        {"task": 0, "attempt": 0, "line": "at 0.0"},
        {"task": 1, "attempt": 0, "line": "at 0.1"},
        {"task": 2, "attempt": 1, "line": "at 1.2"},
    ]
    wait_until(lambda: last_lines(region, execution=name, starts="at ")[1]["lines"] == expected, "all have told")
    wait_until(lambda: region.execution(operation).succeeded_count == 1, "the first is done")
    _, answer = last_lines(region, execution=name, starts="at ")
    assert answer["lines"] == expected
    _, later = last_lines(region, execution=name, starts="at ", since=answer["time"])
    assert later["lines"] == expected[1:]  # what was over before is not told again
    (tmp_path / "go").touch()
    region.finish(operation)
    _, last = last_lines(region, execution=name, starts="at ", since=later["time"])
    assert [line["task"] for line in last["lines"]] == [1, 2]
    assert last_lines(region, execution=name, starts="nobody says this")[1]["lines"] == []


def test_what_is_asked_wrongly_is_named(region: Cloud) -> None:
    region.create("job")
    name = region.run("job").metadata.name
    for since in ("soon", "nan", "inf"):
        status, answer = last_lines(region, execution=name, since=since)
        assert status == 400
        assert "since must be a time" in answer["error"]["message"]
    assert last_lines(region, execution="nobody")[0] == 404
