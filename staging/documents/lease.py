"""The lease of a day: who works on it now.

So a second run ends at once and does not do the same work. It is in the head, next to the fence, and proves nothing: a
holder that was frozen and wakes up may still write, and the fence in the target keeps that out. A lease is over when
its seconds have passed since the head was last written, both by the storage service's clock. Nobody deletes a head; a
day that was given back has no lease in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from staging.documents.head import change_head
from staging.documents.run import Head, Lease
from staging.errors import HeldError
from staging.names import DayNames
from staging.store import ObjectInfo, Store


class DayHeldError(HeldError):
    """Somebody else, `holder`, has the day.

    A dead holder has it until `ends_at`, by the storage service's clock.
    """

    def __init__(self, what: str, *, why: str, fix: str, holder: str, ends_at: datetime) -> None:
        super().__init__(what, why=why, fix=fix)
        self.holder = holder
        self.ends_at = ends_at


class LeaseLostError(HeldError):
    """Somebody else has the day now, or its head is gone.

    The former holder stops, and leaves all as it is.
    """


@dataclass(frozen=True, slots=True)
class DayLease:
    """The lease that one process asks for, and the day.

    `now` is for people, who read it in the head.
    """

    store: Store
    names: DayNames
    lease: Lease
    now: Callable[[], datetime]

    def take(self) -> None:
        """Write it into the head, which is made where there is none.

        DayHeldError while somebody else's goes on.
        """

        def take(head: Head, info: ObjectInfo | None) -> dict[str, object]:
            self._check_free(head, info)
            return {"lease": self.lease}

        change_head(self.store, self.names, take, self.now())

    def renew(self) -> None:
        """Write the head once more, so that the lease goes on.

        LeaseLostError where it is not ours any more. One that has ended but that nobody took over is still ours. Every
        other writer of the head keeps the lease in it.
        """
        self._write_own(self.lease)

    def release(self) -> None:
        """Give the day back. LeaseLostError where it is not ours any more."""
        self._write_own(None)

    def _write_own(self, then: Lease | None) -> None:
        def write(head: Head, _: ObjectInfo | None) -> dict[str, object]:
            if head.lease is None or head.lease.nonce != self.lease.nonce:
                raise _lost(self.names, head.lease)
            return {"lease": then}

        change_head(self.store, self.names, write, self.now())

    def _check_free(self, head: Head, info: ObjectInfo | None) -> None:
        other = head.lease
        if other is None or info is None or other.nonce == self.lease.nonce:
            return
        ends_at = lease_end(other, info)
        now = self.store.now()
        if now <= ends_at:
            seconds = math.ceil((ends_at - now).total_seconds()) + 1  # it is over when it is later than its end
            raise DayHeldError(
                f"{self.names.pipeline} {self.names.day} is held by {other.holder}.",
                why=f"Since {other.since:%F %T} UTC. It is renewed while that one lives; if it died, it ends in "
                f"{seconds} s, at {ends_at:%F %T} UTC.",
                fix="Leave it running; `penstock status` shows how far it is. If it died, try again after that time. "
                "`penstock run`, `resume` and `reprocess` wait for the day with --wait.",
                holder=other.holder,
                ends_at=ends_at,
            )


def lease_end(lease: Lease, info: ObjectInfo) -> datetime:
    """Return when the lease in this generation of a head ends.

    By the storage service's clock.
    """
    return info.updated_at + timedelta(seconds=lease.seconds)


def _lost(names: DayNames, other: Lease | None) -> LeaseLostError:
    by = f"{other.holder} has it since {other.since:%F %T} UTC" if other else "nobody holds it any more"
    return LeaseLostError(
        f"{names.pipeline} {names.day} was taken over by another run.",
        why=f"This one was not heard of for longer than its lease; {by}.",
        fix="Leave the other one running. Nothing that this one left behind counts against it.",
    )
