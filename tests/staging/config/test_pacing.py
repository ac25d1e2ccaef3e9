"""What a promise about latency may be, and with what it contradicts itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from staging.config.file import load_pipeline
from staging.errors import InputError
from tests.staging.config.test_file import COMPLETE

PROBE = 'latency_probe = "SELECT * FROM orders WHERE order_id = 4711"\n'
SNAPSHOT = f'{COMPLETE}[export]\nread = "snapshot"\n[pacing]\n{PROBE}'
FILES = COMPLETE.replace(
    'url = "postgresql+psycopg://user:p%40ss@host/db"\ntable = "purchases"', 'parquet = "file:///x/*.parquet"'
)


def load(folder: Path, text: str, overrides: tuple[str, ...] = ()) -> float | None:
    path = folder / "daily.toml"
    path.write_text(text, encoding="utf-8")
    return load_pipeline(path, environ={}, overrides=overrides).pacing.max_p99_increase


@pytest.mark.parametrize(("written", "meant"), [("1.25", 1.25), ("2", 2.0), ("100", 100.0)])
def test_a_promise_is_a_number_above_one(tmp_path: Path, written: str, meant: float) -> None:
    text = f"{COMPLETE}[pacing]\n{PROBE}"
    assert load(tmp_path, f"{text}max_p99_increase = {written}\n") == meant
    assert load(tmp_path, text, (f"pacing.max_p99_increase={written}",)) == meant
    assert load(tmp_path, text) is None


@pytest.mark.parametrize("written", ["1", "1.0", "0.5", "-2", "100.5", "nan", "inf", '"1.25"', "true"])
def test_other_numbers_are_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(InputError, match=r"pacing\.max_p99_increase"):
        load(tmp_path, f"{COMPLETE}[pacing]\n{PROBE}max_p99_increase = {written}\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{COMPLETE}[pacing]\nmax_p99_increase = 1.25\n", "needs latency_probe"),
        (f"{SNAPSHOT}max_p99_increase = 1.25\n", "one statement can't rest"),
        (f"{FILES}[pacing]\n{PROBE}", "nothing to probe"),
        (f'{COMPLETE}[pacing]\nlatency_probe = "DELETE FROM orders"\n', "is no SELECT"),
        (f'{COMPLETE}[pacing]\nlatency_probe = "SELECTED"\n', "is no SELECT"),
        (f'{COMPLETE}[pacing]\nlatency_probe = ""\n', "latency_probe"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "probe", ["select 1", "  -- an order\\n SELECT 1", "/* a\\nhint */ WITH o AS (SELECT 1) SELECT 2"]
)
def test_a_query_may_begin_with_comments(tmp_path: Path, probe: str) -> None:
    assert load(tmp_path, f'{COMPLETE}[pacing]\nlatency_probe = "{probe}"\n') is None


def test_what_is_only_measured_goes_with_a_snapshot(tmp_path: Path) -> None:
    assert load(tmp_path, SNAPSHOT) is None
