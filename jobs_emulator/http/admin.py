"""What the emulator offers beside the API.

Health, chaos switches and logs below /_emulator/, the status page at /.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from jobs_emulator.chaos import Chaos, ChaosError, ChaosSettings, describe_chaos, parse_chaos
from jobs_emulator.clock import Clock
from jobs_emulator.errors import ApiError, Code, invalid
from jobs_emulator.http.answers import HttpRequest, HttpResponse, json_response
from jobs_emulator.images import ImageTable
from jobs_emulator.logs.reading import list_log_files, newest_attempts, read_last_line, read_log_piece
from jobs_emulator.names import ExecutionName
from jobs_emulator.page import status as status_page
from jobs_emulator.page.frame import STYLE_PATH, style_answer
from jobs_emulator.records import ExecutionRecord
from jobs_emulator.run.attempt_log import log_path
from jobs_emulator.state import State

Page = Callable[[HttpRequest, dict[str, str]], Awaitable[HttpResponse]]


class AdminPages:
    """Answers everything that is not below /v2/."""

    def __init__(self, state: State, images: ImageTable, chaos: Chaos, logs_folder: Path, clock: Clock) -> None:
        self._state = state
        self._images = images
        self._chaos = chaos
        self._logs_folder = logs_folder
        self._clock = clock
        self._pages: dict[tuple[str, str], Page] = {
            ("GET", "/"): self._show_overview,
            ("GET", "/executions"): self._show_execution,
            ("GET", "/logs"): self._show_log,
            ("GET", STYLE_PATH): self._show_style,
            ("GET", "/_emulator/health"): self._health,
            ("GET", "/_emulator/chaos"): self._show_chaos,
            ("PATCH", "/_emulator/chaos"): self._change_chaos,
            ("DELETE", "/_emulator/chaos"): self._reset_chaos,
            ("GET", "/_emulator/logs"): self._list_logs,
            ("GET", "/_emulator/log"): self._read_log,
            ("GET", "/_emulator/last-lines"): self._read_last_lines,
        }

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Carries out one request."""
        url = urlsplit(request.target)
        parameters = dict(parse_qsl(url.query))
        page = self._pages.get((request.verb, unquote(url.path)), self._nothing)
        try:
            return await page(request, parameters)
        except ApiError as exc:
            return json_response(exc.to_json(), exc.http_status)

    async def _nothing(self, request: HttpRequest, _parameters: dict[str, str]) -> HttpResponse:
        raise ApiError(Code.NOT_FOUND, f"There is nothing at {request.verb} {urlsplit(request.target).path}.")

    async def _health(self, _request: HttpRequest, _parameters: dict[str, str]) -> HttpResponse:
        return json_response({"status": "ok", "images": sorted(self._images.images)})

    async def _show_chaos(self, _request: HttpRequest, _parameters: dict[str, str]) -> HttpResponse:
        return json_response(describe_chaos(self._chaos.settings))

    async def _change_chaos(self, request: HttpRequest, _parameters: dict[str, str]) -> HttpResponse:
        self._chaos.change(_parse_chaos_body(request, self._chaos.settings))
        return json_response(describe_chaos(self._chaos.settings))

    async def _reset_chaos(self, _request: HttpRequest, _parameters: dict[str, str]) -> HttpResponse:
        self._chaos.change(ChaosSettings())
        return json_response(describe_chaos(self._chaos.settings))

    async def _list_logs(self, _request: HttpRequest, parameters: dict[str, str]) -> HttpResponse:
        record = self._find_execution(parameters.get("execution", ""))
        task = _parse_index(parameters, "task") if "task" in parameters else None
        files = [
            {"task": f.task, "attempt": f.attempt, "sizeBytes": f.size_bytes, "ended": f.ended}
            for f in list_log_files(self._logs_folder, record, task)
        ]
        return json_response({"execution": str(record.name), "finished": record.is_finished, "attempts": files})

    async def _read_log(self, _request: HttpRequest, parameters: dict[str, str]) -> HttpResponse:
        record = self._find_execution(parameters.get("execution", ""))
        task, attempt, offset = (_parse_index(parameters, name) for name in ("task", "attempt", "offset"))
        piece = read_log_piece(self._logs_folder, record, task, attempt, offset)
        return HttpResponse(200, "text/plain; charset=UTF-8", piece)

    async def _read_last_lines(self, _request: HttpRequest, parameters: dict[str, str]) -> HttpResponse:
        record, now = self._find_execution(parameters.get("execution", "")), self._clock()
        attempts = newest_attempts(record, _parse_time(parameters, "since"))
        starts = parameters.get("starts", "").encode()
        lines = await asyncio.to_thread(self._find_last_lines, record.name, attempts, starts)
        return json_response({"execution": str(record.name), "time": now, "lines": lines})

    def _find_last_lines(
        self, name: ExecutionName, attempts: list[tuple[int, int]], starts: bytes
    ) -> list[dict[str, Any]]:
        found = (
            {"task": task, "attempt": attempt, "line": read_last_line(path, starts)}
            for task, attempt in attempts
            for path in [log_path(self._logs_folder, name, task, attempt)]
        )
        return [each for each in found if each["line"]]

    async def _show_overview(self, _request: HttpRequest, _parameters: dict[str, str]) -> HttpResponse:
        return status_page.overview(self._state, self._chaos, self._clock())

    async def _show_execution(self, _request: HttpRequest, parameters: dict[str, str]) -> HttpResponse:
        record = self._find_execution(parameters.get("name", ""))
        return status_page.execution_page(record, self._clock(), _parse_index(parameters, "page"))

    async def _show_log(self, _request: HttpRequest, parameters: dict[str, str]) -> HttpResponse:
        record = self._find_execution(parameters.get("name", ""))
        task, attempt = _parse_index(parameters, "task"), _parse_index(parameters, "attempt")
        sizes = {file.attempt: file.size_bytes for file in list_log_files(self._logs_folder, record, task)}
        return status_page.log_page(record, self._logs_folder, task, attempt, sizes.get(attempt, 0))

    async def _show_style(self, _request: HttpRequest, _parameters: dict[str, str]) -> HttpResponse:
        return style_answer()

    def _find_execution(self, name: str) -> ExecutionRecord:
        """By full name or short id; the newest one if several have that id."""
        for record in self._state.executions():
            if name in {str(record.name), record.name.execution}:
                return record
        raise ApiError(Code.NOT_FOUND, f"There is no execution '{name}'.")


def _parse_chaos_body(request: HttpRequest, base: ChaosSettings) -> ChaosSettings:
    try:
        value: Any = json.loads(request.body)
    except ValueError as exc:
        raise invalid(f"The body is not JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise invalid("The body must be an object of switches.")
    try:
        return parse_chaos(value, base)
    except ChaosError as exc:
        raise invalid(f"{exc}. Switches: {', '.join(describe_chaos(base))}.") from exc


def _parse_index(parameters: dict[str, str], name: str) -> int:
    text = parameters.get(name, "0")
    if not (text.isascii() and text.isdecimal()):
        raise invalid(f"{name} must be a number from 0, is '{text}'")
    return int(text)


def _parse_time(parameters: dict[str, str], name: str) -> float:
    text = parameters.get(name, "0")
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise invalid(f"{name} must be a time in Unix seconds, is '{text}'")
    return seconds
