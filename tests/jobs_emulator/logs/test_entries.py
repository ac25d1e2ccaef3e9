"""Log entries as Cloud Logging shows them, and the file of an attempt."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from jobs_emulator.logs.entries import LINE_BYTES_MAX, LogOrigin, line_entry, system_entry
from jobs_emulator.logs.writer import EntryWriter
from jobs_emulator.names import ExecutionName
from jobs_emulator.run import attempt_log
from jobs_emulator.run.attempt_log import AttemptLog, log_path

NAME = ExecutionName("acme", "europe-west1", "report", "report-x7k2p")
ORIGIN = LogOrigin(NAME, 4, 1)
NOW = 1_800_000_000.25


def test_a_line_of_text_is_a_text_payload_with_execution_task_and_attempt() -> None:
    assert line_entry(ORIGIN, "stderr", b"hello \xff", NOW) == {
        "textPayload": "hello �",
        "timestamp": "2027-01-15T08:00:00.250000Z",
        "severity": "DEFAULT",
        "logName": "projects/acme/logs/run.googleapis.com%2Fstderr",
        "resource": {
            "type": "cloud_run_job",
            "labels": {"project_id": "acme", "location": "europe-west1", "job_name": "report"},
        },
        "labels": {
            "run.googleapis.com/execution_name": "report-x7k2p",
            "run.googleapis.com/task_index": "4",
            "run.googleapis.com/task_attempt": "1",
        },
    }


def test_a_line_of_json_is_a_json_payload_whose_severity_is_lifted() -> None:
    entry = line_entry(ORIGIN, "stdout", b'{"severity": "warning", "message": "m"}', NOW)
    assert entry["severity"] == "WARNING"
    assert entry["jsonPayload"] == {"message": "m"}


@pytest.mark.parametrize("line", [b"{", b"[1]", b"{'a': 1}", b"7", b"{" * 100_000])
def test_a_line_that_is_no_json_object_is_text(line: bytes) -> None:
    assert line_entry(ORIGIN, "stdout", line, NOW)["textPayload"] == line.decode()


def test_a_severity_nobody_knows_stays_in_the_payload() -> None:
    entry = line_entry(ORIGIN, "stdout", b'{"severity": "loud"}', NOW)
    assert (entry["severity"], entry["jsonPayload"]) == ("DEFAULT", {"severity": "loud"})


def test_the_platforms_own_words_are_a_log_of_their_own() -> None:
    assert system_entry(ORIGIN, "ERROR", "m", NOW)["logName"].endswith("run.googleapis.com%2Fvarlog%2Fsystem")


def make_log(folder: Path) -> tuple[AttemptLog, list[dict[str, Any]], Path]:
    entries: list[dict[str, Any]] = []
    return AttemptLog(folder, ORIGIN, entries.append, lambda: NOW), entries, log_path(folder, NAME, 4, 1)


def test_the_file_holds_what_was_written_byte_for_byte_and_the_entries_are_its_lines(tmp_path: Path) -> None:
    log, entries, path = make_log(tmp_path)
    for stream, data in (("stdout", b"one\ntw"), ("stderr", b"err\n"), ("stdout", b"o\n\nthree \xff")):
        log.write(stream, data)
    log.close()
    assert path.read_bytes() == b"one\ntwerr\no\n\nthree \xff"
    assert [entry["textPayload"] for entry in entries] == ["one", "err", "two", "three �"]


def test_an_attempt_that_says_nothing_has_no_file(tmp_path: Path) -> None:
    log, entries, path = make_log(tmp_path)
    log.close()
    assert not path.exists()
    assert entries == []


def test_a_line_without_end_is_cut_into_entries_of_bounded_size(tmp_path: Path) -> None:
    log, entries, _ = make_log(tmp_path)
    for _ in range(5):
        log.write("stdout", b"x" * LINE_BYTES_MAX)
    log.close()
    assert sum(len(entry["textPayload"]) for entry in entries) == 5 * LINE_BYTES_MAX
    assert max(len(entry["textPayload"]) for entry in entries) <= LINE_BYTES_MAX


def test_a_log_ends_at_its_limit_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt_log, "FILE_BYTES_MAX", 10)
    log, _, path = make_log(tmp_path)
    for _ in range(5):
        log.write("stdout", b"12345678")
    log.close()
    assert path.read_bytes() == b"1234567812\n[the log ends here: it reached its limit]\n"


def test_a_log_that_cannot_be_written_is_told_once_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "acme").write_text("a file where the folder should be")
    log, entries, _ = make_log(tmp_path)
    log.write("stdout", b"a\n")
    log.write("stdout", b"b\n")
    log.close()
    assert [entry["severity"] for entry in entries] == ["ERROR", "DEFAULT", "DEFAULT"]


def test_the_writer_writes_one_object_a_line_and_waits_for_the_last() -> None:
    out = io.StringIO()
    writer = EntryWriter(out)
    for number in range(100):
        writer({"n": number})
    writer.close()
    assert [json.loads(line)["n"] for line in out.getvalue().splitlines()] == list(range(100))


def test_a_reader_that_has_gone_stops_nothing() -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    writer = EntryWriter(Gone())
    for number in range(10):
        writer({"n": number})
    writer.close()
