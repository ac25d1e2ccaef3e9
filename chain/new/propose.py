"""Proposes the columns of a new pipeline file.

Proposals for a person, who knows better.
"""

from __future__ import annotations

from dataclasses import dataclass

from exporter.inspect.reflect import SeenColumn, SeenTable
from staging.errors import InputError

_TIMES = ("purchased", "ordered", "paid", "created", "booked", "occurred", "time", "_at", "date")
_KEYS = ("user_id", "customer_id", "account_id", "client_id", "member_id")


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the file would say, with remarks.

    The remarks are for its reader. `index` is the CREATE INDEX that is missing, or ''.
    """

    key: tuple[str, ...]
    time: str
    columns: tuple[str, ...]
    index: str
    remarks: tuple[str, ...]


def propose(table: SeenTable, *, key: str | None, time: str | None, columns: str | None) -> Proposal:
    """Return a proposal; what was chosen stays.

    InputError where nothing fits, or a chosen column is not there.
    """
    chosen_time = time or _time(table)
    chosen_key = tuple(part.strip() for part in key.split(",")) if key else (_key(table, chosen_time),)
    taken = {*chosen_key, chosen_time}
    carried = tuple(part.strip() for part in columns.split(",")) if columns else _columns(table, taken)
    names = [column.name for column in table.columns]
    if missing := [name for name in (*chosen_key, chosen_time, *carried) if name not in names]:
        raise InputError(
            f"{table.name} has no {', '.join(missing)}.", why=f"It has {', '.join(names)}.", fix="Choose among these."
        )
    return Proposal(chosen_key, chosen_time, carried, _index(table, chosen_time), tuple(_remarks(table, chosen_time)))


def _time(table: SeenTable) -> str:
    times = [column for column in table.columns if column.is_time]
    if not times:
        raise InputError(
            f"{table.name} has no column with a time.", why="A row's day is decided by one.", fix="Name it: --time."
        )
    return min(times, key=lambda column: (not table.leads_an_index(column.name), _rank(column.name, _TIMES))).name


def _key(table: SeenTable, time: str) -> str:
    others = [column for column in table.columns if column.name != time and not column.is_money and not column.is_time]
    owners = [each for each in others if each.name.endswith("_id") and (each.name,) != table.primary_key]
    found = min(owners, key=lambda column: _rank(column.name, _KEYS), default=None)
    if found is not None:
        return found.name
    if table.primary_key:
        return table.primary_key[0]
    raise InputError(f"{table.name} has no column that looks like a key.", fix="Name one: --key.")


def _columns(table: SeenTable, taken: set[str]) -> tuple[str, ...]:
    money = [column.name for column in table.columns if column.is_money and column.name not in taken]
    numbers = [column.name for column in table.columns if column.is_integer and column.name not in taken]
    chosen = money or [name for name in numbers if (name,) != table.primary_key]
    if not chosen:
        raise InputError(
            f"{table.name} has no column with an exact sum.",
            why="Money is a decimal or an integer.",
            fix="Name what is to be carried: --columns.",
        )
    return tuple(chosen)


def _index(table: SeenTable, time: str) -> str:
    if table.leads_an_index(time):
        return ""
    last = table.name.rpartition(".")[2]
    return f"CREATE INDEX {last}_{time} ON {table.name} ({time})"


def _remarks(table: SeenTable, time: str) -> list[str]:
    column: SeenColumn = next(each for each in table.columns if each.name == time)
    has_zone = "TIME ZONE" in column.source_type.upper() or column.source_type.upper() == "TIMESTAMPTZ"
    return (
        []
        if has_zone
        else [f"{time} ({column.source_type}) has no zone of its own: column_timezone says which it is in."]
    )


def _rank(name: str, known: tuple[str, ...]) -> int:
    return next((number for number, part in enumerate(known) if part in name.lower()), len(known))
