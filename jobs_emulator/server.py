"""The emulator put together: state, scheduler, both transports, in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from jobs_emulator.api.dispatch import Dispatcher, parse_request
from jobs_emulator.api.executions import ExecutionsService, TasksService
from jobs_emulator.api.jobs import JobsService
from jobs_emulator.api.methods import Method, all_methods
from jobs_emulator.api.operations import OperationsService
from jobs_emulator.chaos import Chaos, ChaosSettings
from jobs_emulator.clock import Clock
from jobs_emulator.http.door import Door
from jobs_emulator.images import ImageTable
from jobs_emulator.logs.entries import EntrySink
from jobs_emulator.names import parse_execution
from jobs_emulator.rights.check import Rights
from jobs_emulator.rights.policy import Policy
from jobs_emulator.run.executor import Executor
from jobs_emulator.run.leftovers import kill_leftovers
from jobs_emulator.run.scheduler import Scheduler
from jobs_emulator.run.spawn import Spawn, spawn
from jobs_emulator.state import State
from jobs_emulator.store import Store
from jobs_emulator.unknowns import SIGTERM_GRACE_SECONDS

SOCKET_PATH_BYTES_MAX = 90
"""A Unix socket has a path of at most 104 bytes on some systems."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How an emulator is to run.

    Port 0 takes a free one, `data` None keeps nothing over a restart. `logs` is the folder of the attempts' logs, which
    stays; by default `logs/` in `data`, or nothing that stays. `inherited` is the environment tasks may take variables
    from; `entries` gets each log line as Cloud Logging would show it. `door` says who may call; with `private` it
    listens on no port, but on a Unix socket that only this user can reach; without `listening` nowhere, and only `call`
    is answered. With `policy`, a call and the start of an execution need its permission. `spawn` starts the processes.
    """

    images: ImageTable
    slots: int
    port: int = 0
    data: Path | None = None
    logs: Path | None = None
    grace_seconds: float = SIGTERM_GRACE_SECONDS
    chaos: ChaosSettings = field(default_factory=ChaosSettings)
    inherited: Mapping[str, str] = field(default_factory=dict)
    entries: EntrySink | None = None
    clock: Clock = time.time
    door: Door = field(default_factory=Door)
    private: bool = False
    listening: bool = True
    policy: Policy | None = None
    spawn: Spawn = spawn


class EmulatorServer:
    """One emulator.

    Start and stop it in the event loop in which it lives.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened = AsyncExitStack()
        self.chaos = Chaos(settings.chaos)
        self.address = ""
        self._dispatcher = Dispatcher(self.chaos, Rights(settings.policy))
        self._methods: dict[str, Method] = {}
        self._state: State | None = None

    async def start(self) -> None:
        """Begins to listen.

        Work that an earlier emulator left unfinished in `data` is resumed.
        """
        try:
            await self._start()
        except BaseException:
            await self._opened.aclose()
            raise

    async def call(self, method: str, request: bytes) -> bytes:
        """The answer to a call that came by no connection.

        `method` is such as `Jobs.GetJob`; request and answer are serialized as gRPC does. Raises ApiError, and
        LostReplyError as `Dispatcher.call`.
        """
        found = self._methods[method]
        return bytes((await self._dispatcher.call(found, parse_request(found, request), "")).SerializeToString())

    async def await_end(self, execution: str, seconds: float) -> None:
        """Returns when the execution is over, at the latest after so long."""
        assert self._state is not None  # noqa: S101 — it has started
        finished = self._state.execution(parse_execution(execution, "name")).finished
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(finished.wait(), seconds)

    async def stop(self) -> None:
        """Stops listening, ends all tasks, writes what is kept.

        Tasks end at once.
        """
        await self._opened.aclose()

    async def _start(self) -> None:
        settings = self._settings
        private = _private_folder()
        self._opened.callback(shutil.rmtree, private, ignore_errors=True)
        folder = settings.data or private
        store = Store(folder) if settings.data else None
        if store is not None:
            self._opened.callback(store.close)
            kill_leftovers(folder / "tmp")
            shutil.rmtree(folder / "tmp", ignore_errors=True)
        state = self._state = State(store, settings.clock)
        self._opened.callback(state.flush)
        scheduler = Scheduler(
            slots=settings.slots,
            grace_seconds=settings.grace_seconds,
            folder=folder,
            logs_folder=settings.logs or folder / "logs",
            chaos=self.chaos,
            clock=settings.clock,
            entries=settings.entries,
            on_change=state.changed,
            before_start=state.flush,
            spawn=settings.spawn,
        )
        self._opened.push_async_callback(scheduler.stop)
        dice = random.SystemRandom()
        executor = Executor(
            state,
            settings.images,
            scheduler,
            inherited=settings.inherited,
            rights=Rights(settings.policy),
            clock=settings.clock,
            dice=dice,
        )
        methods = all_methods(
            JobsService(state, settings.images, executor),
            ExecutionsService(state, executor),
            TasksService(state),
            OperationsService(state),
        )
        self._methods = {method.short_name: method for method in methods}
        if settings.listening:
            # Servers and pages are a tenth of a second: only where somebody can call.
            from jobs_emulator.http.admin import AdminPages  # noqa: PLC0415 — see above
            from jobs_emulator.http.listen import listen  # noqa: PLC0415 — see above

            self.address = await listen(
                methods,
                self._dispatcher,
                AdminPages(state, settings.images, self.chaos, scheduler.logs_folder, settings.clock),
                folder=private,
                port=None if settings.private else settings.port,
                door=settings.door,
                opened=self._opened,
            )
        executor.resume_all()


async def run_until(server: EmulatorServer, stop: asyncio.Event, started: Callable[[str], None]) -> None:
    """Starts the emulator and stops it when `stop` is set.

    `started` gets its address.
    """
    await server.start()
    try:
        started(server.address)
        await stop.wait()
    finally:
        await server.stop()


def _private_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="jobs-emulator-"))
    if len(os.fsencode(folder / "grpc.sock")) <= SOCKET_PATH_BYTES_MAX:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="jobs-emulator-", dir="/tmp"))
