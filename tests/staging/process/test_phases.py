"""Phases: a note for whoever watches, JSON as Cloud Logging wants it on Cloud Run, nothing where nobody reads it."""

from __future__ import annotations

import json
import sys

import pytest

from staging.process.phases import JobIdentity, trace_of
from staging.process.progress import VARIABLE, Progress, parse_progress
from staging.redaction import remember_secrets_of

IDENTITY = JobIdentity("exporter", "20261115T021500Z-0123456789ab", "2026-11-14")
CLOUD = {"CLOUD_RUN_EXECUTION": "daily-abc", "CLOUD_RUN_TASK_INDEX": "3", "CLOUD_RUN_TASK_ATTEMPT": "1"}


def test_on_cloud_run_a_phase_is_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress.from_environment(CLOUD | {"GOOGLE_CLOUD_PROJECT": "acme"}, IDENTITY)
    for phase in ("connect", "plan", "read", "read", "seal", "commit"):
        progress.begin(phase)
        progress.emit(rows=5)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["phase"] for line in lines] == ["connect", "plan", "read", "seal", "commit"]
    first = lines[0]
    assert (first["severity"], first["message"]) == ("INFO", "exporter: connecting")
    assert (first["run_id"], first["execution"], first["task"], first["attempt"]) == (
        IDENTITY.run_id,
        "daily-abc",
        3,
        1,
    )
    assert first["logging.googleapis.com/trace"] == f"projects/acme/traces/{trace_of(IDENTITY.run_id)}"
    assert len(trace_of(IDENTITY.run_id)) == 32
    assert first["time"].endswith("+00:00")


def test_no_secret_is_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    remember_secrets_of("postgresql://reader:canary-of-phases@h/db")
    Progress.from_environment(CLOUD, IDENTITY).begin("connect", "as canary-of-phases")
    told = capsys.readouterr().err
    assert "canary" not in told
    assert "connecting" in told


def test_a_chain_on_this_machine_reads_notes_and_no_json(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress.from_environment(CLOUD | {VARIABLE: "1"}, IDENTITY)
    progress.begin("connect")
    progress.begin("plan")
    found = [parse_progress(line) for line in capsys.readouterr().err.splitlines()]
    assert [line and line.note for line in found] == ["connecting", "planning"]  # none is left out, however fast


def test_a_terminal_gets_words_and_a_file_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Progress.from_environment({}, IDENTITY).begin("connect")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    Progress.from_environment({}, IDENTITY).begin("seal")
    assert capsys.readouterr().err.endswith(" sealing\n")
