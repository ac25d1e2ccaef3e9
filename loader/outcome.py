"""What a load did, as its caller and the console script's standard output see it."""

from __future__ import annotations

from dataclasses import dataclass

from staging.documents.run import Loaded


@dataclass(frozen=True, slots=True)
class Outcome:
    """`already`: the ledger named this very run before; nothing was written and `loaded` counts no change."""

    loaded: Loaded
    already: bool
