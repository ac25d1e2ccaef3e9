"""Starts an execution once.

RunJob is not idempotent, so each start looks for what another, or a lost call, began.

1. An execution of the same run and step that is under way is continued; nothing is started.
2. A call whose outcome is unknown is followed by a look for our own token; only if nothing carries it, RunJob is called
   again.
3. After the start everything is looked at once more. Of several that began at the same time the first counts, for all
   starters alike; the starter of a later one cancels it and continues the first.

A start that is carried out after all of this, late, can still make two executions: tasks are idempotent, so it costs
work and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from google.cloud import run_v2

from chain.jobs.cloudrun.errors import call_errors, is_transient, is_unknown, translate
from chain.jobs.cloudrun.mark import Mark
from chain.jobs.cloudrun.place import Place, short_name
from chain.jobs.cloudrun.retry import CALL_SECONDS, ask, new_patience
from chain.jobs.cloudrun.services import Clients
from chain.jobs.port import Overrides
from staging.process.cancel import Cancel

_PAGE_SIZE = 100
_CLOCKS_APART = timedelta(hours=1)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class ExecutionStarter:
    """Starts executions of the jobs of one place.

    `stop` cancels one that must not go on. `alone`: nobody else starts any there, so those of a run are known here.
    """

    def __init__(
        self, clients: Clients, place: Place, cancel: Cancel, stop: Callable[[str], None], *, alone: bool = False
    ) -> None:
        self._clients = clients
        self._place = place
        self._cancel = cancel
        self._stop = stop
        self._begun: dict[tuple[str, str], list[str]] | None = {} if alone else None

    def start_once(self, job: run_v2.Job, mark: Mark, overrides: Overrides) -> tuple[str, bool]:
        """Return the execution's resource name, and whether another starter had begun it."""
        before = self.find_all(job.name, mark)
        if under_way := [each for each in before if _is_under_way(each)]:
            return _first(under_way).name, True
        ours = self._run(job, mark, _request(job, mark, overrides))
        if self._begun is not None:
            self._begun.setdefault((job.name, mark.run_id), []).append(ours.name)
            return ours.name, False
        known = {each.name for each in before}
        after = {each.name: each for each in self.find_all(job.name, mark) if each.name not in known}
        after.setdefault(ours.name, ours)
        first = _first([each for each in after.values() if _counts(each)] or [ours])
        if first.name == ours.name:
            return ours.name, False
        self._stop(ours.name)
        return first.name, not mark.is_ours(first)

    def find_all(self, job_name: str, mark: Mark) -> list[run_v2.Execution]:
        """Return the executions that work for the run and step, newest first."""
        if self._begun is None:
            return self._look_through(job_name, mark)
        names = reversed(self._begun.get((job_name, mark.run_id), []))
        return [self._clients.executions.get_execution(name=name, timeout=CALL_SECONDS) for name in names]

    def _look_through(self, job_name: str, mark: Mark) -> list[run_v2.Execution]:
        found: list[run_v2.Execution] = []
        token, begun = "", _began(mark.run_id)
        while True:
            page = self._list_page(job_name, token)
            found += [execution for execution in page.executions if mark.is_of(execution)]
            oldest = page.executions[-1].create_time if page.executions else None
            token = page.next_page_token
            if not token or (oldest and oldest < begun):  # the service lists by creation time, newest first
                return found

    def _list_page(self, job_name: str, token: str) -> run_v2.ListExecutionsResponse:
        request = run_v2.ListExecutionsRequest(parent=job_name, page_size=_PAGE_SIZE, page_token=token)
        pager = ask(
            lambda: self._clients.executions.list_executions(request=request, timeout=CALL_SECONDS),
            new_patience(self._place, self._cancel),
            self._place,
            f"list the executions of {short_name(job_name)}",
        )
        page: run_v2.ListExecutionsResponse = next(iter(pager.pages))
        return page

    def _run(self, job: run_v2.Job, mark: Mark, request: run_v2.RunJobRequest) -> run_v2.Execution:
        """Call RunJob until an execution of ours is known."""
        patience = new_patience(self._place, self._cancel)
        while True:
            try:
                operation = self._clients.jobs.run_job(request=request, timeout=CALL_SECONDS)
            except call_errors() as error:
                once_more = is_transient(error) and patience.back_off()
                if is_unknown(error) and (begun := self._find_ours(job, mark)):
                    return begun
                if not once_more:
                    raise translate(error, self._place, f"start {short_name(job.name)}") from error
            else:
                execution: run_v2.Execution = operation.metadata
                return execution

    def _find_ours(self, job: run_v2.Job, mark: Mark) -> run_v2.Execution | None:
        return next((each for each in self._look_through(job.name, mark) if mark.is_ours(each)), None)


def _request(job: run_v2.Job, mark: Mark, overrides: Overrides) -> run_v2.RunJobRequest:
    environment = dict(overrides.environment) | mark.to_environment()
    container = run_v2.RunJobRequest.Overrides.ContainerOverride(
        name=job.template.template.containers[0].name,
        args=overrides.arguments,
        env=[run_v2.EnvVar(name=name, value=value) for name, value in environment.items()],
    )
    return run_v2.RunJobRequest(
        name=job.name,
        overrides=run_v2.RunJobRequest.Overrides(
            container_overrides=[container],
            task_count=overrides.task_count,
            timeout=timedelta(seconds=overrides.timeout_seconds),
        ),
    )


def _first(executions: list[run_v2.Execution]) -> run_v2.Execution:
    return min(executions, key=lambda each: (each.create_time or _LONG_AGO, each.name))


def _is_under_way(execution: run_v2.Execution) -> bool:
    """Whether it may still go well: one that is being cancelled can't."""
    return not execution.completion_time and not execution.cancelled_count


def _counts(execution: run_v2.Execution) -> bool:
    """Whether it is under way or went well: one that failed or was cancelled meanwhile continues nobody's work."""
    return _is_under_way(execution) or execution.succeeded_count == execution.task_count


def _began(run_id: str) -> datetime:
    """Return a time before the run began: its id begins with a time, unless somebody chose it."""
    try:
        begun = datetime.strptime(run_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return _LONG_AGO
    return begun - _CLOCKS_APART
