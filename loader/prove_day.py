"""The proof inside the transaction, after its last write.

The day in the target is what was staged, in every bit. Triggers, rules and generated values write, too: whatever they
changed is found here, and nothing is committed.
"""

from __future__ import annotations

from loader.conservation import raise_if_any
from loader.target.content import Content, content_faults
from loader.target.database import Database
from loader.target.day import count_day
from loader.target.difference import count_difference
from loader.target.ledger import LedgerRow, read_ledger_row
from loader.target.preflight import Target
from loader.target.sql import Staged


def prove_day(database: Database, staged: Staged, content: Content, target: Target, ours: LedgerRow) -> None:
    """Raise IntegrityError unless the day is exactly what was staged.

    Rows, sums and every value are compared, and the ledger's row.
    """
    day = ours.day
    counted = count_day(database, target, day, content, lock=True)
    faults = list(content_faults(content, counted, "in the target"))
    left = count_difference(
        database, staged, day, staged_rows=content.rows, target_rows=counted.rows, lock=database.sql.proof_lock
    )
    if left:
        faults.append(
            f"after the last write {left.inserted} rows are missing, {left.updated} have other values, "
            f"{left.deleted} are too many: a trigger or a rule of the table may have changed them"
        )
    raise_if_any(faults, f"{target.table.name} would not hold the day.")
    said = read_ledger_row(database, target.ledger, target.table, day)
    if said is None or not said.says_what(ours):
        raise_if_any([f"its row of {day} is not what was written"], f"{target.ledger.name} would not tell of the day.")
