"""Holds a day while the chain works on it.

It takes the lease, renews it in a thread, gives it back at the end. A lease that can't be renewed for three fifths of
its time ends the work: before somebody else can take it over, as far as this machine's clock can tell. One that
somebody else has taken ends the work at once. Neither says whether the work was done; the fence does.
"""

from __future__ import annotations

import os
import pwd
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime

from chain.day.await_holder import await_free_day
from staging.documents.lease import DayLease, LeaseLostError
from staging.documents.run import Lease
from staging.errors import PenstockError, UnavailableError
from staging.process.cancel import Cancel

_RENEWALS = 4.5
_LIMIT = 0.6
_GRACE_SECONDS = 2.0
"""The limit of a renewal that begins late, as this process was stopped: nothing is lost if nobody took over."""


class UnrenewedError(UnavailableError):
    """The lease could not be renewed in time.

    Its holder stops, and leaves all as it is.
    """


def new_lease(now: datetime, seconds: int, environ: Mapping[str, str]) -> Lease:
    """Return a lease for this process.

    People recognise it by user, host and process number.
    """
    execution = environ.get("CLOUD_RUN_EXECUTION")
    holder = f"{_user()}@{socket.gethostname()}, process {os.getpid()}" + (f" of {execution}" if execution else "")
    return Lease(holder=holder, nonce=secrets.token_hex(16), since=now, seconds=seconds)


@contextmanager
def hold_lease(
    wanted: DayLease, cancel: Cancel, say: Callable[[str], None], *, wait: bool = False
) -> Iterator[HeldLease]:
    """Hold the lease until the block ends.

    Take it, renew it, then give it back. While somebody else has it: HeldError, or a wait with `wait`. When it is lost,
    `cancel` is set with the reason.
    """

    def take() -> HeldLease:
        began = _clock()
        lease = replace(wanted, lease=wanted.lease.model_copy(update={"since": wanted.now()}))
        lease.take()
        return HeldLease(lease, cancel, began)

    held = await_free_day(take, cancel, say) if wait else take()
    heart = threading.Thread(target=held.beat, name="lease", daemon=True)
    heart.start()
    try:
        yield held
    finally:
        held.stop()
        heart.join(timeout=_GRACE_SECONDS)
        if held.lost is None:
            _release(wanted, say)


class HeldLease:
    """A lease that is held.

    `lost` is why it is not any more.
    """

    def __init__(self, lease: DayLease, cancel: Cancel, renewed_at: float) -> None:
        self._lease = lease
        self._cancel = cancel
        self._renewed_at = renewed_at
        self._over = threading.Event()
        self.lost: PenstockError | None = None

    def ensure(self) -> None:
        """Raise unless the day is surely held.

        Asks the bucket where the last renewal was too long ago.
        """
        if self.lost is not None:
            raise self.lost
        if self._age() < self._limit():
            return
        try:
            self._renew()
        except LeaseLostError as error:
            self._lose(error)
            raise

    def beat(self) -> None:
        """Renew until `stop`, or until the lease is lost."""
        pause = self._seconds() / _RENEWALS
        while self.lost is None and not self._over.wait(pause):
            self._renew_in_time()

    def stop(self) -> None:
        """End the renewals; one that is under way comes to its end."""
        self._over.set()

    def _renew_in_time(self) -> None:
        """Renew once, in a thread of its own: a request may be stuck in its retries for longer than there is time."""
        ended = threading.Event()

        def attempt() -> None:
            try:
                self._renew()
            except LeaseLostError as error:
                self._lose(error)
            except PenstockError as error:
                self._check_age(error)
            finally:
                ended.set()

        threading.Thread(target=attempt, name="lease-renewal", daemon=True).start()
        if not ended.wait(max(_GRACE_SECONDS, self._limit() - self._age())):
            self._check_age(None)

    def _renew(self) -> None:
        began = _clock()
        self._lease.renew()
        self._renewed_at = began

    def _check_age(self, error: PenstockError | None) -> None:
        if self._over.is_set() or self._age() < self._limit():
            return
        names = self._lease.names
        self._lose(
            UnrenewedError(
                f"The lease of {names.pipeline} {names.day} could not be renewed for {self._age():.0f} s.",
                why=f"{error.what} {error.why}".strip() if error else "The bucket does not answer.",
                fix="Jobs that run elsewhere go on. The same command, or `penstock resume`, continues them.",
            )
        )

    def _lose(self, error: PenstockError) -> None:
        if self._over.is_set():
            return
        self.lost = self.lost or error
        self._cancel.set(self.lost)

    def _age(self) -> float:
        return _clock() - self._renewed_at

    def _limit(self) -> float:
        return _LIMIT * self._seconds()

    def _seconds(self) -> int:
        return self._lease.lease.seconds


def _release(lease: DayLease, say: Callable[[str], None]) -> None:
    with suppress(LeaseLostError):  # taken over at the last moment: it is given back, one way or another
        try:
            lease.release()
        except UnavailableError as error:
            say(f"warning: the day stays held for {lease.lease.seconds} s, it could not be given back: {error.what}")


def _clock() -> float:
    """Seconds that also go by while the machine sleeps, where the system counts them."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user without a name
        return f"user {os.getuid()}"
