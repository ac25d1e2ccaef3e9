"""The page of a day: its figures are those of an oracle, it fetches and runs nothing, and is for everybody's eyes."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from chain.day.timeline import TimelineNotes
from chain.history.day import read_past_day
from chain.jobs.port import ExecutionState, JobName, TaskFailure, TaskRun
from chain.report.gather import gather_day
from chain.report.write import write_report
from exporter.port.waits import WaitsOverTime
from staging.config.cloud import CloudConfig
from staging.config.file import load_pipeline
from staging.documents.head import change_head
from staging.documents.run import Loaded
from staging.documents.run_start import begin_run
from staging.errors import InputError
from staging.folder.store import FolderStore, open_folder_store
from staging.names import DayNames
from tests.clients.browser import find_chromium, take_screenshot
from tests.jobs_emulator.page.test_status import size_and_first_pixel
from tests.processor.runs import Runs
from tests.servers.missing import skip_or_fail
from tests.servers.programs import ServerMissingError
from tests.shop.hand_made_export import (
    DAY,
    EXPORT_ID,
    PIPELINE,
    RUN_ID,
    HandMade,
    expected_revenue,
    purchases,
    put_in_folder,
)

AT = datetime(2026, 11, 15, 2, 15, tzinfo=UTC)
NAMES = DayNames(PIPELINE, DAY)
ROWS = purchases(700, users=80)

PROBED = {
    "windows": [
        {"kind": kind, "at_seconds": at, "seconds": 2.0, "nice": 6.0, "probes": 80, "p50_milliseconds": 1.0}
        | {"p99_milliseconds": high}
        for kind, at, high in [("resting", 0.0, 1.6), ("reading", 2.0, 1.9), ("resting", 4.0, 1.5), ("seal", 6.0, 2.1)]
    ],
    "resting_probes": 160,
    "resting_p50_milliseconds": 1.0,
    "resting_p99_milliseconds": 1.6,
    "beside_probes": 160,
    "beside_p50_milliseconds": 1.0,
    "beside_p99_milliseconds": 1.92,
    "increase": 1.2,
    "promised": 1.25,
    "held": True,
    "longest_nice": 6.0,
    "why_not": "",
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day that was exported, processed (task 1 at its second attempt) and loaded."""
    folder = tmp_path_factory.mktemp("stored")
    runs = Runs((folder / "staging").as_uri(), folder)
    made = HandMade(put_in_folder(runs.stored()), ROWS, shards=3)
    waits = WaitsOverTime()
    waits.begin(0)
    waits.add("nice", 0.5, 2.5)
    waits.add("busy_server", 4, 9)
    made.manifest["reading"] |= {
        "waited_seconds": {"busy_server": 5.0, "nice": 2.0},
        "waits": {reason: list(bins) for reason, bins in waits.by_reason().items()},
        "waits_bin_seconds": waits.bin_seconds,
        "probed": PROBED,
    }
    made.commit()
    runs.process()
    store = open_folder_store(runs.url)
    begin_run(store, NAMES, RUN_ID, kind="run", fresh_export=False, now=AT, by="<ada>@build-7, process 9")
    note(
        "processor", store, TaskRun(0, at(10), at(14), 0, succeeded=True), TaskRun(1, at(10), at(19), 1, succeeded=True)
    )
    revenue = expected_revenue(ROWS)
    loaded = Loaded(
        run_id=RUN_ID,
        export_id=EXPORT_ID,
        fence=1,
        day=DAY,
        rows=len(revenue),
        inserted=len(revenue),
        updated=0,
        deleted=0,
        totals={"revenue": str(sum(total for total, _ in revenue.values())), "purchases": str(len(ROWS))},
        digest="0" * 64,
        loaded_at=at(30),
    )
    store.create(NAMES.loaded(RUN_ID), loaded.to_bytes())
    change_head(store, NAMES, lambda *_: {"export_id": EXPORT_ID}, AT)
    return folder


def at(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def note(job: JobName, store: FolderStore, *tasks: TaskRun) -> None:
    seen = TimelineNotes(job, RUN_ID, lambda: at(15))
    failure = TaskFailure(task=1, attempt=0, exit_code=137, message="Killed <at> once\nmore", log="")
    assert len(seen.see(ExecutionState("e-1", 2, failures=(failure,)))) == 1
    assert seen.see(ExecutionState("e-1", 2, failures=(failure,))) == []
    seen.see(ExecutionState("e-1", 2, succeeded=2, finished=True, tasks=tasks))
    seen.write(store, NAMES, lambda _: None)


@pytest.fixture(scope="module")
def page(stored: Path) -> str:
    """The page of that day."""
    return draw(stored)


def format_report(*given: Any) -> str:
    from chain.report import page

    return page.format_report(*given)


def draw(stored: Path) -> str:
    store = open_folder_store((stored / "staging").as_uri())
    day = read_past_day(store, NAMES, now=AT + timedelta(days=1))
    return format_report(PIPELINE, [gather_day(store, NAMES, day)], AT)


def test_it_says_what_a_day_cost_where_jobs_run_on_google_cloud_and_only_there(stored: Path, page: str) -> None:
    store = open_folder_store((stored / "staging").as_uri())
    day = read_past_day(store, NAMES, now=AT + timedelta(days=1))
    cloud = CloudConfig(project="acme", region="europe-west1")
    elsewhere = format_report(PIPELINE, [gather_day(store, NAMES, day, cloud)], AT)
    assert re.search(r"about \$\d+\.\d{2,3} on Google Cloud: [\d,]+ vCPU s, [\d,]+ operations", elsewhere)
    assert "on Google Cloud" not in page


class Elements(HTMLParser):
    """All tags with what they say of themselves, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_proof_has_the_figures_of_an_oracle(page: str) -> None:
    total = f"{sum(row['amount'] for row in ROWS):,}"
    assert page.count(f">{total}<") >= 4  # exported, shards, parts, target
    assert "Nothing lost, nothing doubled" in page
    assert f">{len(expected_revenue(ROWS))}<" in page
    assert "1 attempt beyond the first ones" in page


def test_it_is_one_file_that_fetches_and_runs_nothing(page: str) -> None:
    found = Elements(page)
    assert found.open == []
    assert not {tag for tag, _ in found.tags} & {"script", "link", "img", "iframe", "object", "embed"}
    for _, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "src"]
        for name in ("href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    assert not re.search(r"@import|url\((?!#)", page)


def test_what_people_wrote_is_text_and_no_markup(page: str) -> None:
    assert "&lt;ada&gt;@build-7" in page
    assert "Killed &lt;at&gt; once" in page
    assert "<ada>" not in page


def test_every_picture_is_told_in_words_and_figures_too(page: str) -> None:
    pictures = re.findall(r"<figure>.*?</figure>", page, re.DOTALL)
    assert len(pictures) == 5  # tasks, waits, the probe, rows, bytes
    for picture in pictures:
        assert re.search(r"<figcaption><b>[A-Z].*?</b> .+?</figcaption>", picture)
        assert 'aria-hidden="true"' in picture
    assert sum("<details>" in picture for picture in pictures) == 4  # the shards' bytes stand beside their rows
    assert "Waits" in page
    assert ">5.0 s<" in page
    assert "p99 1.9 ms beside reading, 1.6 ms without: 1.20 times; 1.25 was promised and held, with up to 6 s" in page
    curves = next(picture for picture in pictures if "What the probe took" in picture)
    assert all(name in curves for name in ("p99 without us", "p99 beside reading", "promised", ">6.0 s, seal<"))


def test_a_table_names_its_columns_and_itself(page: str) -> None:
    for table in re.findall(r"<table>.*?</table>", page, re.DOTALL):
        assert "<caption>" in table
        assert table.count('<th scope="col"') == table.split("</thead>")[0].count("<th ")
        assert '<th scope="row">' in table


def test_the_pictures_are_svg_in_the_colours_of_the_page_with_ids_of_their_own(stored: Path, page: str) -> None:
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    ids = [found for picture in pictures for found in re.findall(r' id="([^"]+)"', picture)]
    assert len(ids) == len(set(ids))
    for picture in pictures:
        tree = ET.fromstring(picture)
        assert tree.tag.endswith("svg")
        assert "var(--series-" in picture
        assert not re.search(r"#0[a1-3]0[0-3]0[0-9]\b", picture)
    assert pictures == re.findall(r"<svg.*?</svg>", draw(stored), re.DOTALL)  # the same each time


def test_a_range_begins_with_all_its_days(stored: Path) -> None:
    store = open_folder_store((stored / "staging").as_uri())
    day = read_past_day(store, NAMES, now=AT + timedelta(days=1))
    pages = [gather_day(store, NAMES, day)] * 2
    page = format_report(PIPELINE, pages, AT)
    assert "2 of 2 days are loaded." in page
    assert "How long it took" in page


def test_days_without_a_run_and_a_place_that_can_not_be_written_are_named(stored: Path, tmp_path: Path) -> None:
    pipeline = load_pipeline(stored / "pipeline.toml", environ={})
    with pytest.raises(InputError, match="There is no run of"):
        write_report(pipeline, DAY + timedelta(days=1), DAY + timedelta(days=1), tmp_path / "x.html", AT)
    with pytest.raises(InputError, match="can't be written"):
        write_report(pipeline, DAY, DAY, tmp_path / "nix" / "x.html", AT)
    assert write_report(pipeline, DAY, DAY, tmp_path / "x.html", AT) == 1


@pytest.mark.integration
def test_it_is_drawn_in_light_and_dark_at_a_desk_and_on_a_phone(page: str, tmp_path: Path) -> None:
    try:
        find_chromium()
    except ServerMissingError as error:
        skip_or_fail(error)
    path = tmp_path / "report.html"
    path.write_text(page)
    for dark, ground, (width, height) in ((False, b"\xff\xff\xff", (390, 844)), (True, b"\x12\x16\x1b", (1280, 900))):
        picture = tmp_path / f"{width}-{dark}.png"
        take_screenshot(path.as_uri(), picture, width=width, height=height, dark=dark)
        assert size_and_first_pixel(picture) == (2 * width, 2 * height, ground)


def test_waits_are_shared_by_the_stretches_they_lie_in_however_long_it_takes() -> None:
    waits = WaitsOverTime()
    waits.begin(100.0)
    waits.add("nice", 100.5, 102.25)
    assert waits.by_reason() == {"nice": (0.5, 1.0, 0.25)}
    for second in range(100, 4000):
        waits.add("busy_server", second, second + 0.5)
    found = waits.by_reason()
    assert max(map(len, found.values())) <= 120
    assert sum(found["busy_server"]) == pytest.approx(3900 * 0.5, abs=0.1)
    assert sum(found["nice"]) == pytest.approx(1.75)
    assert waits.bin_seconds == 64
