"""When an execution is given up before its retries are over, and what is then said of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from chain.jobs.cloudrun.jobs import Polling
from chain.jobs.errors import raise_failure
from chain.jobs.port import ExecutionState, TaskFailure
from chain.jobs.wait import is_hopeless
from staging.errors import InterruptedRunError, UnavailableError


def state(codes: Sequence[int], *, task_count: int = 1, succeeded: int = 0) -> ExecutionState:
    failures = tuple(TaskFailure(task, 0, code, "", "") for task, code in enumerate(codes))
    return ExecutionState("e", task_count, succeeded=succeeded, failures=failures)


@pytest.mark.parametrize(
    ("codes", "task_count", "succeeded", "hopeless"),
    [
        ([], 1, 0, False),
        ([10], 1, 0, True),
        ([40], 1, 0, True),
        ([30], 1, 0, True),
        ([2], 1, 0, True),
        ([20], 1, 0, False),
        ([1], 1, 0, False),
        ([137], 1, 0, False),
        ([10], 2, 0, False),
        ([10, 10], 2, 0, True),
        ([10, 20, 10], 64, 0, False),
        ([10, 40, 10], 64, 0, True),
        ([10, 40, 10], 64, 1, False),
    ],
)
def test_one_task_decides_alone_and_many_together(
    codes: list[int], task_count: int, succeeded: int, *, hopeless: bool
) -> None:
    assert is_hopeless(state(codes, task_count=task_count, succeeded=succeeded)) is hopeless


def test_a_failure_that_the_service_does_not_explain_is_no_cancellation() -> None:
    with pytest.raises(UnavailableError, match="1 of 3 tasks ended badly") as caught:
        raise_failure("processor", ExecutionState("e", 3, succeeded=2, failed=1, finished=True, logs="https://logs"))
    assert not isinstance(caught.value, InterruptedRunError)
    assert "https://logs" in caught.value.fix


def test_looks_begin_close_together_and_end_seconds_apart() -> None:
    polling = Polling()
    assert [polling.after(elapsed) for elapsed in (0.0, 0.5, 5.0, 30.0, 86_400.0)] == [0.1, 0.1, 0.5, 3.0, 5.0]
