"""An emulator inside another program.

In a thread of its own, started and stopped by plain calls.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from jobs_emulator.chaos import parse_chaos
from jobs_emulator.errors import ApiError, Code, LostReplyError
from jobs_emulator.http.door import Door
from jobs_emulator.images import Image, ImageTable, image_table, read_image_table
from jobs_emulator.logs.entries import EntrySink
from jobs_emulator.run.spawn import Spawn, spawn
from jobs_emulator.server import EmulatorServer, Settings, run_until
from jobs_emulator.tokens import forget_token, new_token, remember_token
from jobs_emulator.unknowns import SIGTERM_GRACE_SECONDS

Answer = TypeVar("Answer")
Images = ImageTable | str | Path | Mapping[str, Image | Mapping[str, Any] | Sequence[str]]


class Emulator:
    """A running emulator; use it as a context manager, or call `stop`."""

    def __init__(self, settings: Settings) -> None:
        self._server = EmulatorServer(settings)
        self._thread = threading.Thread(target=self._run, name="jobs-emulator", daemon=True)
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self.address = ""
        self.token = settings.door.token
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Ends all tasks at once and the emulator.

        A second call does nothing.
        """
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        forget_token(self.address)

    def chaos(self, **switches: object) -> None:
        """Sets chaos switches from now on, all others to their defaults.

        `chaos()` ends all chaos. ChaosError names a wrong one.
        """
        settings = parse_chaos(switches)
        self._call(lambda: self._server.chaos.change(settings))

    def call(self, method: str, request: bytes, *, seconds: float) -> bytes:
        """Carries out one call that comes by no connection.

        `method` is such as `Jobs.GetJob`; request and answer are serialized as gRPC does. ApiError as the API answers,
        also if there is no answer for so long, or the emulator has ended.
        """
        return self._ask(self._server.call(method, request), seconds)

    def await_end(self, execution: str, *, seconds: float) -> None:
        """Returns when the execution is over, or after so long.

        `execution` is its whole name. ApiError as `call`.
        """
        self._ask(self._server.await_end(execution, seconds), None)

    def _ask(self, answer: Coroutine[Any, Any, Answer], seconds: float | None) -> Answer:
        assert self._loop is not None  # noqa: S101 — as below
        try:
            return asyncio.run_coroutine_threadsafe(answer, self._loop).result(seconds)
        except TimeoutError as exc:
            raise ApiError(Code.DEADLINE_EXCEEDED, f"No answer for {seconds:g} s.") from exc
        except LostReplyError as exc:
            raise ApiError(Code.UNAVAILABLE, "The answer was lost (chaos switch).") from exc
        except (RuntimeError, CancelledError) as exc:  # its loop is closed, or closes just now
            answer.close()
            raise ApiError(Code.UNAVAILABLE, "The emulator has ended.") from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _call(self, action: Callable[[], None]) -> None:
        done = threading.Event()

        def act() -> None:
            action()
            done.set()

        assert self._loop is not None  # noqa: S101 — set before __init__ returns
        self._loop.call_soon_threadsafe(act)
        done.wait()

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as exc:  # noqa: BLE001 — passed to the thread that waits for the start
            self._failure = exc
        finally:
            self._ready.set()

    async def _live(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await run_until(self._server, self._stop, self._started)

    def _started(self, address: str) -> None:
        self.address = address
        if self.token:
            remember_token(address, self.token)
        self._ready.set()


def start(
    images: Images,
    data: str | Path | None = None,
    slots: int | None = None,
    *,
    port: int = 0,
    grace_seconds: float = SIGTERM_GRACE_SECONDS,
    pass_env: Sequence[str] = (),
    chaos: Mapping[str, Any] | None = None,
    entries: EntrySink | None = None,
    logs: str | Path | None = None,
    private: bool = False,
    listening: bool = True,
    spawn: Spawn = spawn,
) -> Emulator:
    """Starts an emulator in a thread and returns when it listens.

    Its `address` is `127.0.0.1:port`. Only this user's processes may call it, and root's. Where the system does not
    show whose a connection is (Linux does), the emulator asks for its `token`, which this package's own clients send.
    `private`: it listens on no port at all, but on a Unix socket in a folder of mode 0700, and `address` is
    `unix:PATH`, as gRPC's channels take it. Without `listening` nobody can connect, and `Emulator.call` alone is
    answered.

    `images`: a TOML file's path, an ImageTable, or a mapping from image reference to an entrypoint, an `Image`, or a
    mapping with entrypoint, cmd, cwd, env. `data` keeps state over restarts, `logs` is where the attempts'
    logs go and stay (default: `logs/` in `data`). `slots` tasks run at once (default: CPUs).
    `pass_env`: further variables of this process that tasks inherit. `entries` is called, in the emulator's thread,
    with each log line as Cloud Logging shows it. `spawn` starts tasks' processes in another way.
    Raises ImageTableError, ChaosError, StoreError, OSError (port taken).
    """
    table = images if isinstance(images, ImageTable) else _read_images(images)
    if pass_env:
        table = ImageTable(table.images, (*table.pass_env, *pass_env), table.secrets)
    return Emulator(
        Settings(
            images=table,
            slots=slots or os.cpu_count() or 1,
            port=port,
            data=Path(data) if data is not None else None,
            grace_seconds=grace_seconds,
            chaos=parse_chaos(chaos or {}),
            inherited=dict(os.environ),
            entries=entries,
            logs=Path(logs) if logs is not None else None,
            door=Door(token="" if private or not listening else new_token(), owner_enters=True),
            private=private,
            listening=listening,
            spawn=spawn,
        )
    )


def _read_images(images: str | Path | Mapping[str, Any]) -> ImageTable:
    return read_image_table(Path(images)) if isinstance(images, str | Path) else image_table(images)
