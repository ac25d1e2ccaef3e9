"""The port between a read and what makes it wait.

Before a snapshot, and between two slices, never inside one.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from exporter.port.waits import WaitsOverTime
from staging.documents.manifest import Probed, WindowKind
from staging.process.cancel import Cancel


class Pace(Protocol):
    """Says when reading may go on.

    Used by one thread; no result set is open while it sleeps. Every method that waits raises InterruptedRunError as
    soon as the work is asked to stop, and UnavailableError for a hard stop: critical load or the longest pause.
    """

    @property
    def waited_seconds(self) -> Mapping[str, float]:
        """Seconds waited so far, by reason.

        Reasons that never made it wait are left out.
        """
        ...

    @property
    def waits(self) -> WaitsOverTime:
        """The same by time."""
        ...

    def before_snapshot(self) -> None:
        """Block until the database is calm enough for a snapshot to begin.

        A snapshot never pauses inside.
        """
        ...

    def before_slice(self) -> None:
        """Block until the next slice may be read."""
        ...

    def after_slice(self, seconds: float, rows: int) -> None:
        """Take note of a slice that was read.

        The seconds its statement took, and the rows it gave.
        """
        ...


class ReadPace(Pace, Protocol):
    """The pace of a read that latency is measured beside.

    Where that is asked for.
    """

    def beside(self, kind: WindowKind) -> AbstractContextManager[None]:
        """Measure statements that can't rest: the block's."""
        ...

    def describe_probed(self) -> Probed | None:
        """Return what was measured, None where nothing was to be."""
        ...


class FlatOut:
    """Never waits."""

    def __init__(self, cancel: Cancel) -> None:
        self._cancel = cancel
        self.waited_seconds: Mapping[str, float] = {}
        self.waits = WaitsOverTime()

    def before_snapshot(self) -> None:
        """Go on, unless asked to stop."""
        self._cancel.check()

    def before_slice(self) -> None:
        """Go on, unless asked to stop."""
        self._cancel.check()

    def after_slice(self, seconds: float, rows: int) -> None:
        """Take note of nothing."""

    def beside(self, kind: WindowKind) -> AbstractContextManager[None]:
        """Measure nothing."""
        del kind
        return nullcontext()

    def describe_probed(self) -> None:
        """Return None: nothing was to be measured."""
