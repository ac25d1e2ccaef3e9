"""`penstock-jobs-emulator logs`: what an execution's attempts wrote.

Asked of a running emulator.
"""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from jobs_emulator.tokens import TokenError, find_token

FOLLOW_SECONDS = 0.3


class LogsError(Exception):
    """The emulator does not answer, or has no such execution.

    The message says which.
    """


@dataclass(frozen=True, slots=True)
class LogChoice:
    """Which logs to show.

    Of an execution (short id or full name), of one task and one attempt or of all; counted from 0.
    """

    execution: str
    task: int | None = None
    attempt: int | None = None


def read_logs(address: str, choice: LogChoice, *, follow: bool, write: Callable[[str, bytes], None]) -> None:
    """Hands each attempt's bytes to `write`.

    With a label `task0 attempt0`; with `follow` until the execution ends.
    """
    offsets: dict[tuple[int, int], int] = {}
    while True:
        listing = _ask_json(address, "/_emulator/logs", {"execution": choice.execution, **_task(choice)})
        for task, attempt, size_bytes in _chosen(listing, choice):
            offset = offsets.get((task, attempt), 0)
            while offset < size_bytes:
                query = {"execution": listing["execution"], "task": task, "attempt": attempt, "offset": offset}
                piece = _ask(address, "/_emulator/log", query)
                if not piece:
                    break
                write(f"task{task} attempt{attempt}", piece)
                offset += len(piece)
            offsets[task, attempt] = offset
        if listing["finished"] or not follow:
            return
        time.sleep(FOLLOW_SECONDS)


def _task(choice: LogChoice) -> dict[str, int]:
    return {} if choice.task is None else {"task": choice.task}


def _chosen(listing: dict[str, Any], choice: LogChoice) -> Iterator[tuple[int, int, int]]:
    for entry in listing["attempts"]:
        if choice.attempt in {None, entry["attempt"]}:
            yield entry["task"], entry["attempt"], entry["sizeBytes"]


def _ask_json(address: str, path: str, query: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(_ask(address, path, query))
    return value


def _ask(address: str, path: str, query: dict[str, Any]) -> bytes:
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        token = find_token(address, os.environ)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request("GET", f"{path}?{urlencode(query)}", headers=headers)
        response = connection.getresponse()
        body = response.read()
    except TokenError as exc:
        raise LogsError(str(exc)) from exc
    except (OSError, http.client.HTTPException) as exc:
        raise LogsError(
            f"No emulator answers at {address} ({exc}). Start one with: penstock-jobs-emulator serve"
        ) from exc
    finally:
        connection.close()
    if response.status != 200:  # noqa: PLR2004
        raise LogsError(json.loads(body)["error"]["message"])
    return body
