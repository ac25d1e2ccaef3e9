"""What the command line asks of a day, besides its name.

It is by itself: importing it must not import what runs a day, as the jobs' imports begin after it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Permitted:
    """What a ledger would refuse, and the command line allows.

    An older export, this bucket's head instead of the one it names. `raise_fence`: begin a run above this fence, where
    the head was restored from an older copy.
    """

    allow_older: bool = False
    adopt_head: str | None = None
    raise_fence: int | None = None

    def loader_arguments(self) -> tuple[str, ...]:
        """Return the loader's options for it."""
        older = ("--allow-older",) if self.allow_older else ()
        return older if self.adopt_head is None else (*older, "--adopt-head", self.adopt_head)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks of a day besides its name.

    It reaches the jobs as their own options. `read_once`: a day that changes while it is read is left for later.
    """

    accept_change: bool = False
    require_closed: bool = False
    permitted: Permitted = Permitted()
    read_once: bool = False

    def of_exporter(self) -> list[str]:
        """Return the exporter's options."""
        closed = ["--require-closed"] if self.require_closed else []
        return [*closed, *(["--most-reads", "1"] if self.read_once else [])]

    def of_loader(self) -> list[str]:
        """Return the loader's options."""
        return [*(["--accept-change"] if self.accept_change else []), *self.permitted.loader_arguments()]


NOTHING_ASKED = Asked()
