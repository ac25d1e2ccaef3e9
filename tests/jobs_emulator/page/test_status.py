"""The status page as a browser shows it: light and dark, at a desk and on a phone."""

from __future__ import annotations

import http.client
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest
from google.cloud import run_v2

from tests.clients.browser import find_chromium, read_document, take_screenshot
from tests.jobs_emulator.harness import Cloud, cloud
from tests.servers.missing import skip_or_fail
from tests.servers.programs import ServerMissingError

pytestmark = pytest.mark.integration

SCRIPT = (
    'echo "task $CLOUD_RUN_TASK_INDEX <b>of</b> $CLOUD_RUN_TASK_COUNT"; sleep 0.0$((CLOUD_RUN_TASK_INDEX % 7 + 1));'
    "[ $CLOUD_RUN_TASK_INDEX != 5 ]"
)


@pytest.fixture(scope="module")
def failed() -> Iterator[tuple[Cloud, run_v2.Execution]]:
    with cloud(slots=3) as region:
        region.create("nightly-revenue", SCRIPT, task_count=12, max_retries=1)
        yield region, region.finish(region.run("nightly-revenue"))


def get(region: Cloud, path: str) -> tuple[int, str, str]:
    with closing(http.client.HTTPConnection(region.address, timeout=30)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.headers["content-security-policy"] or "", response.read().decode()


def paths(execution: run_v2.Execution) -> dict[str, str]:
    return {
        "overview": "/",
        "execution": f"/executions?{urlencode({'name': execution.name})}",
        "log": f"/logs?{urlencode({'name': execution.name, 'task': 5, 'attempt': 1})}",
    }


def test_every_page_says_what_happened_and_every_link_leads_somewhere(failed: tuple[Cloud, run_v2.Execution]) -> None:
    region, execution = failed
    for path in paths(execution).values():
        status, policy, html = get(region, path)
        assert status == 200
        assert policy.startswith("default-src 'none'")
        for link in re.findall(r'(?:href|src)="(/[^"]*)"', html):
            assert get(region, link.replace("&amp;", "&"))[0] == 200
    _, _, html = get(region, paths(execution)["execution"])
    assert "task5 failed with exit code: 1" in html
    assert html.count("<rect") == 13


def test_what_a_task_writes_is_text_and_never_markup(failed: tuple[Cloud, run_v2.Execution]) -> None:
    region, execution = failed
    assert "task 5 &lt;b&gt;of&lt;/b&gt; 12" in get(region, paths(execution)["log"])[2]


def test_a_page_reloads_itself_only_while_something_runs(failed: tuple[Cloud, run_v2.Execution]) -> None:
    region, execution = failed
    assert 'http-equiv="refresh"' not in get(region, paths(execution)["execution"])[2]
    region.create("slow", "sleep 100")
    operation = region.run("slow")
    assert 'http-equiv="refresh"' in get(region, "/")[2]
    region.executions.cancel_execution(name=operation.metadata.name).result()


def test_chaos_that_is_on_is_shown() -> None:
    with cloud(chaos={"start_delay_seconds": 2}) as region:
        assert "Chaos is on: start_delay_seconds = 2.0" in get(region, "/")[2]


def test_a_page_of_many_tasks_has_pages_and_what_is_not_there_is_a_404(failed: tuple[Cloud, run_v2.Execution]) -> None:
    region, _ = failed
    region.create("many", task_count=250)
    execution = region.finish(region.run("many"))
    path = paths(execution)["execution"]
    assert "Page 1 of 3" in get(region, path)[2]
    assert get(region, f"{path}&page=2")[2].count("<svg") == 50
    assert "No such page" in get(region, f"{path}&page=9")[2]
    for wrong in ("/executions?name=nix", "/nix", "/logs?name=nix"):
        assert get(region, wrong)[0] == 404


def test_it_is_drawn_in_light_and_dark_at_a_desk_and_on_a_phone(
    failed: tuple[Cloud, run_v2.Execution], tmp_path: Path
) -> None:
    try:
        find_chromium()
    except ServerMissingError as error:
        skip_or_fail(error)
    region, execution = failed
    desk, phone = (1200, 800), (390, 844)
    # Each page in each colour and at each size; a browser's start is dear.
    for name, dark, (width, height) in (
        ("overview", False, desk),
        ("overview", True, phone),
        ("execution", True, desk),
        ("execution", False, phone),
    ):
        picture = tmp_path / f"{name}-{width}-{'dark' if dark else 'light'}.png"
        url = f"http://{region.address}{paths(execution)[name]}"
        take_screenshot(url, picture, width=width, height=height, dark=dark)
        ground = b"\x14\x17\x1b" if dark else b"\xf6\xf7\xf9"
        assert size_and_first_pixel(picture) == (2 * width, 2 * height, ground)
    assert "task5 failed" in read_document(f"http://{region.address}{paths(execution)['execution']}", width=390)


def size_and_first_pixel(picture: Path) -> tuple[int, int, bytes]:
    """Of a PNG in RGB: the first pixel of the first row is itself, whichever filter the row has."""
    data = picture.read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    chunks = b""
    position = 8
    while position < len(data):
        (length,), kind = struct.unpack(">I", data[position : position + 4]), data[position + 4 : position + 8]
        chunks += data[position + 8 : position + 8 + length] if kind == b"IDAT" else b""
        position += length + 12
    return width, height, zlib.decompress(chunks)[1:4]
