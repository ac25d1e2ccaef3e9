"""What a load did.

Its caller gets it, and the console script writes it to standard output.
"""

from __future__ import annotations

from dataclasses import dataclass

from staging.documents.run import Loaded


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a load did to the target.

    `already`: the ledger named this very run before; nothing was written and `loaded` counts no change.
    """

    loaded: Loaded
    already: bool
