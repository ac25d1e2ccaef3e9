"""The status page: jobs, an execution, the log of an attempt.

An execution has its tasks as a timeline.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from urllib.parse import urlencode

from jobs_emulator.api.durations import format_go_duration
from jobs_emulator.chaos import Chaos, ChaosSettings, describe_chaos
from jobs_emulator.http.answers import HttpResponse
from jobs_emulator.logs.reading import read_log_piece
from jobs_emulator.page.frame import format_time, page, state_label
from jobs_emulator.records import AttemptRecord, End, ExecutionRecord, JobRecord, Phase, TaskRecord, TaskState
from jobs_emulator.run.outcomes import attempt_status
from jobs_emulator.state import State

EXECUTIONS_MAX = 100
TASKS_PER_PAGE = 100
TRACK_WIDTH = 1000
BAR_WIDTH_LEAST = 8
LOG_BYTES_MAX = 256 * 1024
_HOME = '<a href="/">Cloud Run jobs emulator</a>'


def overview(state: State, chaos: Chaos, now: float) -> HttpResponse:
    """Executions, newest first, and jobs."""
    executions = state.executions()
    rows = "".join(_execution_row(record, now) for record in executions[:EXECUTIONS_MAX])
    head = (
        '<tr><th>Execution</th><th>State</th><th class="wide">Tasks</th><th class="number desk">Done</th>'
        '<th class="number desk">Took</th><th class="desk">Created</th></tr>'
    )
    jobs = "".join(_job_row(job) for _, job in sorted(state.jobs.items(), key=lambda item: str(item[0])))
    job_head = (
        '<tr><th>Job</th><th>Image</th><th class="number">Tasks</th><th class="number desk">At once</th>'
        '<th class="number desk">Retries</th><th class="number">Runs</th></tr>'
    )
    body = _chaos_notice(chaos.settings)
    body += f"<h2>Executions</h2>{_table(head, rows, 'None yet. Start one with RunJob.')}"
    body += f"<h2>Jobs</h2>{_table(job_head, jobs, 'None yet. Create one with CreateJob.')}"
    return page("Cloud Run jobs emulator", "", body, refreshes=any(not record.is_finished for record in executions))


def execution_page(record: ExecutionRecord, now: float, page_number: int) -> HttpResponse:
    """One execution: counters, what went wrong, and its tasks.

    Tasks are on one time axis. Pages count from 0.
    """
    first = page_number * TASKS_PER_PAGE
    indices = range(first, min(first + TASKS_PER_PAGE, record.task_count))
    end = record.completed_at or now
    rows = "".join(_task_row(record, index, end) for index in indices)
    span = format_go_duration(end - (record.started_at or end))
    head = (
        f'<tr><th class="number">Task</th><th class="wide">0 to {span}</th><th>State</th>'
        '<th class="number desk">CPU s</th><th class="number desk">Peak MiB</th><th>Log</th></tr>'
    )
    body = _facts(record, now)
    if record.failure_message:
        body += f'<p class="notice">{escape(record.failure_message)}</p>'
    body += f"<h2>Tasks</h2>{_table(head, rows, 'No such page.')}{_pages(record, page_number)}"
    trail = f"{_HOME} · {escape(record.name.project)} · {escape(record.name.location)} · {escape(record.name.job)}"
    return page(record.name.execution, trail, body, refreshes=not record.is_finished)


def log_page(record: ExecutionRecord, folder: Path, task: int, attempt: int, size_bytes: int) -> HttpResponse:
    """The end of an attempt's log.

    With a link to all of it.
    """
    offset = max(size_bytes - LOG_BYTES_MAX, 0)
    text = read_log_piece(folder, record, task, attempt, offset).decode("utf-8", errors="replace")
    query = urlencode({"execution": str(record.name), "task": task, "attempt": attempt})
    note = f'<p class="dim">The last {LOG_BYTES_MAX // 1024} KiB of {size_bytes}.</p>' if offset else ""
    shown = f"<pre>{escape(text)}</pre>" if text else '<div class="card"><p class="empty">It wrote nothing.</p></div>'
    body = f'{note}{shown}<p><a href="/_emulator/log?{escape(query)}">As plain text</a></p>'
    back = f'<a href="{execution_path(record)}">{escape(record.name.execution)}</a>'
    records = record.tasks[task].attempts if task in record.tasks else []
    is_running = attempt < len(records) and not records[attempt].ended_at
    return page(f"task {task}, attempt {attempt}", f"{_HOME} · {back}", body, refreshes=is_running)


def execution_path(record: ExecutionRecord) -> str:
    """Where the page of an execution is."""
    return escape(f"/executions?{urlencode({'name': str(record.name)})}")


def _execution_row(record: ExecutionRecord, now: float) -> str:
    counts = record.counts
    done = counts.succeeded + counts.failed + counts.cancelled
    took = format_go_duration((record.completed_at or now) - record.started_at) if record.started_at else "-"
    return (
        f'<tr><td class="name"><a href="{execution_path(record)}">{escape(record.name.execution)}</a></td>'
        f"<td>{state_label(_phase(record))}</td>"
        f'<td>{_progress_track(record)}<span class="phone dim">{done} / {record.task_count}</span></td>'
        f'<td class="number desk nowrap">{done} / {record.task_count}</td><td class="number desk">{took}</td>'
        f'<td class="desk nowrap">{format_time(record.created_at)}</td></tr>'
    )


def _job_row(job: JobRecord) -> str:
    template = job.message.template
    containers = template.template.containers
    return (
        f"<tr><td class='name'>{escape(job.name.job)}<br><span class='dim'>{escape(str(job.name.parent))}</span></td>"
        f"<td>{escape(', '.join(container.image for container in containers))}</td>"
        f'<td class="number">{template.task_count}</td><td class="number desk">{template.parallelism or "all"}</td>'
        f'<td class="number desk">{template.template.max_retries}</td>'
        f'<td class="number">{job.execution_count}</td></tr>'
    )


def _facts(record: ExecutionRecord, now: float) -> str:
    counts = record.counts
    took = format_go_duration((record.completed_at or now) - record.started_at) if record.started_at else "-"
    facts = {
        "State": state_label(_phase(record)),
        "Succeeded": str(counts.succeeded),
        "Failed": str(counts.failed),
        "Running": str(counts.running),
        "Retried": str(counts.retried),
        "Cancelled": str(counts.cancelled),
        "Tasks": f"{record.task_count}, {record.spec.parallelism} at once",
        "Took": took,
    }
    return f"<dl>{''.join(f'<div><dt>{name}</dt><dd>{value}</dd></div>' for name, value in facts.items())}</dl>"


def _task_row(record: ExecutionRecord, index: int, end: float) -> str:
    task = record.tasks.get(index) or TaskRecord(index)
    if not task.attempts and record.phase is Phase.CANCELLED:
        task = TaskRecord(index, TaskState.CANCELLED)
    attempts = task.attempts
    start = record.started_at or record.created_at
    logs = " ".join(f'<a href="{_log_path(record, index, number)}">{number}</a>' for number in range(len(attempts)))
    told = attempt_status(attempts[-1])[1] if attempts and task.state is TaskState.FAILED else ""
    memory = max((attempt.peak_rss_bytes for attempt in attempts), default=0)
    return (
        f'<tr><td class="number">{index}</td><td>{_track(attempts, start, end)}</td>'
        f'<td title="{escape(told)}">{state_label(task.state.name.lower())}</td>'
        f'<td class="number desk">{sum(attempt.cpu_seconds for attempt in attempts):.2f}</td>'
        f'<td class="number desk">{f"{memory / 2**20:.0f}" if memory else "-"}</td>'
        f'<td class="nowrap">{logs or "-"}</td></tr>'
    )


def _track(attempts: list[AttemptRecord], start: float, end: float) -> str:
    """The attempts of a task as bars on the execution's time axis."""
    scale = TRACK_WIDTH / max(end - start, 1e-6)
    bars = ""
    for number, attempt in enumerate(attempts):
        left = max((attempt.started_at - start) * scale, 0)
        width = max(((attempt.ended_at or end) - attempt.started_at) * scale, BAR_WIDTH_LEAST)
        told = f"attempt {number}: {_attempt_words(attempt)}"
        bars += (
            f'<rect class="{_attempt_class(attempt)}" x="{min(left, TRACK_WIDTH - BAR_WIDTH_LEAST):.1f}" y="0"'
            f' width="{width:.1f}" height="14">'
            f"<title>{escape(told)}</title></rect>"
        )
    return f'<svg viewBox="0 0 {TRACK_WIDTH} 14" preserveAspectRatio="none" role="img">{bars}</svg>'


def _progress_track(record: ExecutionRecord) -> str:
    """How many of the tasks are done, failed, cancelled and running, as parts of one bar."""
    counts, left, bars = record.counts, 0.0, ""
    for name in ("succeeded", "failed", "cancelled", "running"):
        width = getattr(counts, name) * TRACK_WIDTH / record.task_count
        bars += f'<rect class="{name}" x="{left:.1f}" y="0" width="{width:.1f}" height="14"></rect>'
        left += width
    return f'<svg viewBox="0 0 {TRACK_WIDTH} 14" preserveAspectRatio="none" role="img">{bars}</svg>'


def _attempt_class(attempt: AttemptRecord) -> str:
    if attempt.end is End.RUNNING:
        return "running"
    if attempt.succeeded:
        return "succeeded"
    return "cancelled" if attempt.end is End.CANCELLED else "failed"


def _attempt_words(attempt: AttemptRecord) -> str:
    if attempt.end is End.RUNNING:
        return "running"
    took = format_go_duration(attempt.ended_at - attempt.started_at)
    how = f"signal {attempt.term_signal}" if attempt.term_signal else f"exit code {attempt.exit_code}"
    return f"{took}, {how}. {attempt_status(attempt)[1]}"


def _phase(record: ExecutionRecord) -> str:
    return record.phase.name.lower()


def _log_path(record: ExecutionRecord, task: int, attempt: int) -> str:
    return escape(f"/logs?{urlencode({'name': str(record.name), 'task': task, 'attempt': attempt})}")


def _pages(record: ExecutionRecord, page_number: int) -> str:
    last = (record.task_count - 1) // TASKS_PER_PAGE
    if not last:
        return ""
    links = []
    for number, words in ((0, "first"), (page_number - 1, "before"), (page_number + 1, "next"), (last, "last")):
        if 0 <= number <= last and number != page_number:
            links.append(f'<a href="{execution_path(record)}&amp;page={number}">{words}</a>')
    return f'<p class="dim">Page {page_number + 1} of {last + 1} · {" · ".join(links)}</p>'


def _chaos_notice(settings: ChaosSettings) -> str:
    usual, now = describe_chaos(ChaosSettings()), describe_chaos(settings)
    on = ", ".join(f"{name} = {value}" for name, value in now.items() if value != usual[name] and name != "seed")
    return f'<p class="notice warn">Chaos is on: {escape(on)}</p>' if on else ""


def _table(head: str, rows: str, empty: str) -> str:
    content = f"<table>{head}{rows}</table>" if rows else f'<p class="empty">{empty}</p>'
    return f'<div class="card">{content}</div>'
