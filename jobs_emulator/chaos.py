"""Switches for what goes wrong in a cloud.

Seeded, set on the command line or while the emulator runs. Every decision is a function of the seed, its subject, and
how often that was asked before; so two runs of the same calls meet the same faults, however they interleave.
"""

from __future__ import annotations

import dataclasses
import random
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from jobs_emulator.errors import ApiError, Code
from jobs_emulator.protos import Json


class ChaosError(ValueError):
    """A switch is unknown or has a wrong value.

    The message names it.
    """


@dataclass(frozen=True, slots=True)
class TaskKill:
    """Sends a signal to a task during one of its attempts.

    Some time after the attempt's start. `task` and `attempt` count from 0; attempt None means each.
    """

    task: int
    after_seconds: float = 0.0
    attempt: int | None = 0
    signal: int = int(signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class ChaosSettings:
    """All switches; the defaults change nothing.

    Rates are from 0 to 1; methods are patterns such as `Jobs.*`.
    """

    seed: int = 0
    start_delay_seconds: float = 0.0
    never_start: bool = False
    report_late_seconds: float = 0.0
    lost_run_replies: int = 0
    lost_run_reply_rate: float = 0.0
    unavailable_rate: float = 0.0
    unavailable_first: int = 0
    unavailable_methods: tuple[str, ...] = ("*",)
    unavailable_code: str = "UNAVAILABLE"
    start_twice_rate: float = 0.0
    start_twice_tasks: tuple[int, ...] = ()
    kill_tasks: tuple[TaskKill, ...] = ()


class Chaos:
    """Decides at each point whether something goes wrong."""

    def __init__(self, settings: ChaosSettings | None = None) -> None:
        self.settings = settings or ChaosSettings()
        self._asked: Counter[str] = Counter()
        self._replies_lost = 0

    def change(self, settings: ChaosSettings) -> None:
        """Takes new switches from now on; counting starts anew."""
        self.settings = settings
        self._asked.clear()
        self._replies_lost = 0

    def check_call(self, method: str) -> None:
        """Raises the API's answer when it is not available.

        Before anything of `Service.Method` was done.
        """
        settings = self.settings
        if not settings.unavailable_rate and not settings.unavailable_first:
            return
        if not any(fnmatchcase(method, pattern) for pattern in settings.unavailable_methods):
            return
        is_early = self._asked[f"first {method}"] < settings.unavailable_first
        self._asked[f"first {method}"] += 1
        if is_early or self._happens(f"unavailable {method}", settings.unavailable_rate):
            raise ApiError(Code[settings.unavailable_code], "The service is currently unavailable (chaos switch).")

    def loses_reply(self, method: str) -> bool:
        """Whether the answer to a RunJob that was carried out gets lost."""
        if method != "Jobs.RunJob":
            return False
        if self._replies_lost < self.settings.lost_run_replies:
            self._replies_lost += 1
            return True
        return self._happens("lost reply", self.settings.lost_run_reply_rate)

    def starts_twice(self, task_index: int) -> bool:
        """Whether an attempt of the task gets a twin.

        The twin runs beside it.
        """
        if task_index in self.settings.start_twice_tasks:
            return True
        return self._happens(f"twice {task_index}", self.settings.start_twice_rate)

    def kills(self, task_index: int, attempt: int) -> list[TaskKill]:
        """Signals this attempt will get."""
        return [k for k in self.settings.kill_tasks if k.task == task_index and k.attempt in {None, attempt}]

    def _happens(self, what: str, rate: float) -> bool:
        if rate <= 0:
            return False
        self._asked[what] += 1
        draw = random.Random(f"{self.settings.seed} {what} {self._asked[what]}").random()  # noqa: S311 — repeatable
        return draw < rate


def parse_chaos(values: Mapping[str, Any], base: ChaosSettings | None = None) -> ChaosSettings:
    """Settings from JSON values, on top of `base`.

    ChaosError names every wrong one.
    """
    base = base or ChaosSettings()
    known = {field.name: getattr(base, field.name) for field in dataclasses.fields(ChaosSettings)}
    faults = [f"unknown switch '{name}'" for name in values if name not in known]
    changed: dict[str, Any] = {}
    for name, value in values.items():
        if name in known:
            try:
                changed[name] = _parse_switch(name, known[name], value)
            except (TypeError, ValueError) as exc:
                faults.append(f"{name}: {exc}")
    if faults:
        raise ChaosError("; ".join(faults))
    return dataclasses.replace(base, **changed)


def describe_chaos(settings: ChaosSettings) -> dict[str, Any]:
    """Settings as JSON values."""
    return dataclasses.asdict(settings)


def _parse_switch(name: str, example: object, value: Json) -> object:
    if name == "kill_tasks":
        return tuple(_parse_kill(kill) for kill in value)
    if name == "unavailable_code" and value not in Code.__members__:
        raise ValueError(f"'{value}' is not one of {', '.join(Code.__members__)}")
    if isinstance(example, tuple):
        if isinstance(value, str) or not all(
            isinstance(item, int if name == "start_twice_tasks" else str) for item in value
        ):
            raise ValueError("must be a list")
        return tuple(value)
    if isinstance(example, bool) or isinstance(value, bool):
        if not (isinstance(example, bool) and isinstance(value, bool)):
            raise TypeError("must be true or false" if isinstance(example, bool) else "must be a number")
        return value
    if isinstance(example, str):
        return str(value)
    number = float(value) if isinstance(example, float) else int(value)
    if number < 0 or number != number or (name.endswith("_rate") and number > 1):  # noqa: PLR0124 — NaN
        raise ValueError("must be from 0 to 1" if name.endswith("_rate") else "must not be negative")
    return number


def _parse_kill(value: object) -> TaskKill:
    if not isinstance(value, Mapping):
        raise TypeError("must be a list of tables with task, after_seconds, attempt, signal")
    attempt = value.get("attempt", 0)
    return TaskKill(
        int(value["task"]) if "task" in value else _missing_task(),
        float(value.get("after_seconds", 0.0)),
        None if attempt is None else int(attempt),
        int(signal.Signals(int(value.get("signal", signal.SIGKILL)))),
    )


def _missing_task() -> int:
    raise ValueError("a kill needs `task`, the index of the task")
