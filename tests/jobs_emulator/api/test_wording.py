"""Durations, quantities and outcomes in the API's words."""

from __future__ import annotations

from decimal import Decimal

import pytest

from jobs_emulator.api.durations import format_go_duration
from jobs_emulator.errors import Code
from jobs_emulator.records import AttemptRecord, End
from jobs_emulator.run.outcomes import attempt_status, task_failure
from jobs_emulator.run.quantities import parse_quantity


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (-1, "0s"), (0.004, "0s"), (38.22, "38.22s"), (63.6, "1m3.6s"), (169.01, "2m49.01s"),
        (165.459, "2m45.46s"), (7200, "2h0m0s"), (59.999, "1m0s"),
    ],
)  # fmt: skip
def test_a_duration_is_written_as_go_writes_it(seconds: float, text: str) -> None:
    assert format_go_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [("512Mi", 512 * 2**20), ("2Gi", 2**31), ("1000m", 1), ("2", 2), ("1.5", "1.5"), ("1G", 10**9), ("64k", 64000)],
)
def test_a_quantity_is_read_as_kubernetes_writes_it(text: str, value: int | str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "Mi", "-1", "1 Gi", "1gi", "1e3", "0x10", "1Gi "])
def test_what_is_no_quantity_is_none(text: str) -> None:
    assert parse_quantity(text) is None


def test_an_exit_code_is_told_in_the_words_of_the_cloud() -> None:
    failed = AttemptRecord(1.0, 2.0, End.EXITED, exit_code=3)
    assert task_failure("report-x7k2p-task4", failed) == (
        Code.ABORTED,
        "Task report-x7k2p-task4 failed with exit code: 3 and message: The container exited with an error.",
    )


def test_a_timeout_is_told_as_a_deadline() -> None:
    code, message = task_failure("e-task0", AttemptRecord(1.0, 2.0, End.TIMED_OUT, term_signal=9))
    assert code is Code.DEADLINE_EXCEEDED
    assert message.endswith("and message: The configured timeout was reached.")


def test_a_signal_is_told_as_shells_do() -> None:
    _, message = task_failure("e-task0", AttemptRecord(1.0, 2.0, End.EXITED, term_signal=11))
    assert "exit code: 139" in message


def test_only_exit_code_0_without_a_signal_is_success() -> None:
    assert attempt_status(AttemptRecord(1.0, 2.0, End.EXITED)) == (Code.OK, "")
    for failed in (
        AttemptRecord(1.0, 2.0, End.EXITED, exit_code=1),
        AttemptRecord(1.0, 2.0, End.EXITED, term_signal=9),
        AttemptRecord(1.0, 2.0, End.TIMED_OUT),
        AttemptRecord(1.0, 2.0, End.LOST),
        AttemptRecord(1.0, 2.0, End.NOT_STARTED),
        AttemptRecord(1.0, 2.0, End.CANCELLED),
    ):
        assert attempt_status(failed)[0] is not Code.OK
