"""What an adversary does who knows the seal: each attack in stages, which come at any moments of a read, in order.

Each leaves what a simple seal looks at as it was: the count, the sum of a column, the CRC32 of a row, the definition.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.exporter.adversary_shop import ROWS, SECONDS, Layout, Shop

State = dict[str, Any]
Stage = Callable[[Shop, State, random.Random], None]


@dataclass(frozen=True)
class Attack:
    """`on` are the backends that it can be done to; `where` is the pipeline's condition."""

    name: str
    stages: tuple[Stage, ...]
    layout: Layout = "plain"
    where: str | None = None
    on: tuple[str, ...] = ("postgresql", "mysql")


def _run(*statements: str) -> Stage:
    return lambda shop, state, rng: _do(shop, statements)


def _do(shop: Shop, statements: tuple[str, ...]) -> None:
    shop.do(*statements)


def _insert(shop: Shop, state: State, rng: random.Random) -> None:
    shop.do(f"INSERT INTO purchases VALUES {shop.values(rng, rng.randrange(1, ROWS) * 10 + 5, _anywhere(rng))}")


def _insert_above(shop: Shop, state: State, rng: random.Random) -> None:
    shop.do(f"INSERT INTO purchases VALUES {shop.values(rng, 10**9 + rng.randrange(1000), _anywhere(rng))}")


def _insert_below(shop: Shop, state: State, rng: random.Random) -> None:
    shop.do(f"INSERT INTO purchases VALUES {shop.values(rng, -rng.randrange(1, 10**6), _anywhere(rng))}")


def _delete(shop: Shop, state: State, rng: random.Random) -> None:
    shop.do(f"DELETE FROM purchases WHERE id = {rng.choice(shop.ids())}")


def _delete_noted(shop: Shop, state: State, rng: random.Random) -> None:
    number = rng.choice(shop.ids())
    state["row"] = shop.do(f"SELECT id, purchased_at FROM purchases WHERE id = {number}")[0]
    shop.do(f"DELETE FROM purchases WHERE id = {number}")


def _vacuum_and_put_there(shop: Shop, state: State, rng: random.Random) -> None:
    """At the place of the row that is gone, so that place, key and time are the same again."""
    number, at = state["row"]
    shop.do("VACUUM purchases")
    shop.do(f"INSERT INTO purchases VALUES ({number}, 7, '{at}', 4711, 0, '{'0' * 64}')")


def _replace(shop: Shop, state: State, rng: random.Random) -> None:
    number = rng.choice(shop.ids())
    shop.do("BEGIN")
    ((user, at, note),) = shop.do(f"SELECT user_id, purchased_at, note FROM purchases WHERE id = {number}")
    shop.do(f"DELETE FROM purchases WHERE id = {number}")
    shop.do(f"INSERT INTO purchases VALUES ({number}, {user}, '{at}', 815, 0, '{note}')", "COMMIT")


def _swap_amounts(shop: Shop, state: State, rng: random.Random) -> None:
    one, other = rng.sample(shop.ids(), 2)
    paid = dict(shop.do(f"SELECT id, amount FROM purchases WHERE id IN ({one}, {other})"))
    cases = f"CASE id WHEN {one} THEN {paid[other]} ELSE {paid[one]} END"
    shop.do(f"UPDATE purchases SET amount = {cases} WHERE id IN ({one}, {other})")


def _add(cents: str) -> Stage:
    def add(shop: Shop, state: State, rng: random.Random) -> None:
        shop.do(f"UPDATE purchases SET amount = amount + {cents} WHERE id = {rng.choice(shop.ids())}")

    return add


def _move(hours: str) -> Stage:
    def move(shop: Shop, state: State, rng: random.Random) -> None:
        number = rng.choice(shop.ids())
        shop.do(f"UPDATE purchases SET purchased_at = purchased_at + INTERVAL {hours} WHERE id = {number}")

    return move


def _change_noted(shop: Shop, state: State, rng: random.Random) -> None:
    number = rng.choice(shop.ids())
    ((state["paid"],),) = shop.do(f"SELECT amount FROM purchases WHERE id = {number}")
    state["id"] = number
    shop.do(f"UPDATE purchases SET amount = 0 WHERE id = {number}")


def _change_back(shop: Shop, state: State, rng: random.Random) -> None:
    shop.do(f"UPDATE purchases SET amount = {state['paid']} WHERE id = {state['id']}")


def _widen(shop: Shop, state: State, rng: random.Random) -> None:
    _alter(shop, 14, 4)


def _narrow(shop: Shop, state: State, rng: random.Random) -> None:
    _alter(shop, 12, 2)


def _alter(shop: Shop, digits: int, scale: int) -> None:
    if shop.backend == "postgresql":
        shop.do(f"ALTER TABLE purchases ALTER COLUMN amount TYPE numeric({digits},{scale})")
    else:
        shop.do(f"ALTER TABLE purchases MODIFY amount decimal({digits},{scale}) NOT NULL")


def _names(*pairs: tuple[str, str]) -> Stage:
    return _run(*(f"ALTER TABLE purchases RENAME COLUMN {old} TO {new}" for old, new in pairs))


def _tables(shop: Shop, state: State, rng: random.Random) -> None:
    for old, new in (("purchases", "aside"), ("twin", "purchases"), ("aside", "twin")):
        shop.do(f"ALTER TABLE {old} RENAME TO {new}")


def _make_twin(shop: Shop, state: State, rng: random.Random) -> None:
    like = "(LIKE purchases INCLUDING ALL)" if shop.backend == "postgresql" else "LIKE purchases"
    shop.do(f"CREATE TABLE twin {like}", "INSERT INTO twin SELECT * FROM purchases")
    shop.do("UPDATE twin SET amount = amount + 1")


def _empty_and_fill(shop: Shop, state: State, rng: random.Random) -> None:
    shop.do("TRUNCATE TABLE purchases", "INSERT INTO purchases SELECT * FROM twin")


def _choose(numbers: range) -> Stage:
    rows = ", ".join(f"({number})" for number in numbers)
    return _run("BEGIN", "DELETE FROM chosen", f"INSERT INTO chosen VALUES {rows}", "COMMIT")


def _begin_late(shop: Shop, state: State, rng: random.Random) -> None:
    number = rng.choice(shop.ids())
    state["late"] = late = shop.other()
    late.exec_driver_sql("BEGIN")
    late.exec_driver_sql(f"UPDATE purchases SET amount = amount + 1 WHERE id = {number}")


def _commit_late(shop: Shop, state: State, rng: random.Random) -> None:
    state["late"].exec_driver_sql("COMMIT")


def _prepare(shop: Shop, state: State, rng: random.Random) -> None:
    number = rng.choice(shop.ids())
    state["late"] = late = shop.other()
    is_postgres = shop.backend == "postgresql"
    late.exec_driver_sql("BEGIN" if is_postgres else "XA START 'waits'")
    try:
        late.exec_driver_sql(f"UPDATE purchases SET amount = amount + 1 WHERE id = {number}")
    finally:
        for ending in ("PREPARE TRANSACTION 'waits'",) if is_postgres else ("XA END 'waits'", "XA PREPARE 'waits'"):
            late.exec_driver_sql(ending)


def _commit_prepared(shop: Shop, state: State, rng: random.Random) -> None:
    is_postgres = shop.backend == "postgresql"
    state["late"].exec_driver_sql("COMMIT PREPARED 'waits'" if is_postgres else "XA COMMIT 'waits'")


def _forge(shop: Shop, state: State, rng: random.Random) -> None:
    """Another amount of the same length, and a note that keeps the row's CRC32."""
    number = rng.choice(shop.ids())
    ((user, at, paid, note),) = shop.do(
        f"SELECT user_id, purchased_at, amount, note FROM purchases WHERE id = {number}"
    )
    true = f'{user},{at:%Y-%m-%d %H:%M:%S.%f},{paid},"{note}"'.encode()
    more = Decimal(str(paid)) + (1 if len(str(paid + 1)) == len(str(paid)) else -1)
    false = f'{user},{at:%Y-%m-%d %H:%M:%S.%f},{more},"{"0" * 64}"'.encode()
    forged = forge_crc(false, like=true)
    shop.do(f"UPDATE purchases SET amount = {more}, note = '{forged[-65:-1].decode()}' WHERE id = {number}")


def forge_crc(row: bytes, like: bytes) -> bytes:
    """The row, which ends in 64 zeros and a quote, with ones for some of the zeros, and the CRC32 of `like`."""
    zero, free = zlib.crc32(row), len(row) - 65
    # CRC32 is affine: what each bit changes is known, and 32 of them make up for anything (Gauss).
    basis: list[tuple[int, int]] = []
    for bit in range(64):
        changed = row[: free + bit] + b"1" + row[free + bit + 1 :]
        basis.append(_reduce((zlib.crc32(changed) ^ zero, 1 << bit), basis))
        basis.sort(reverse=True)
    left, chosen = _reduce((zlib.crc32(like) ^ zero, 0), basis)
    assert left == 0
    digits = bytes(b"01"[chosen >> bit & 1] for bit in range(64))
    return row[:free] + digits + b'"'


def _reduce(effect_and_bits: tuple[int, int], basis: list[tuple[int, int]]) -> tuple[int, int]:
    effect, bits = effect_and_bits
    for other, other_bits in basis:
        if effect ^ other < effect:
            effect, bits = effect ^ other, bits ^ other_bits
    return effect, bits


def _anywhere(rng: random.Random) -> float:
    return rng.uniform(0, SECONDS - 1)


_PG, _MY = ("postgresql",), ("mysql",)
_NOON = "'2026-11-14 11:00+00'"
_CHOSEN = "id IN (SELECT id FROM chosen)"

ATTACKS = (
    Attack("nothing", ()),
    Attack("an insert and a delete", (_insert, _delete)),
    Attack("a delete and an insert", (_delete, _insert), layout="key"),
    Attack("a key above all and a delete", (_insert_above, _delete), layout="key"),
    Attack("a key below all and a delete", (_insert_below, _delete), layout="key"),
    Attack("a key above all and a delete, with an index", (_insert_above, _delete)),
    Attack("one that is gone and another at its place", (_delete_noted, _vacuum_and_put_there), on=_PG),
    Attack("another row under the same key", (_replace,)),
    Attack("two rows swap their amounts", (_swap_amounts,)),
    Attack("a cent here, a cent there", (_add("0.01"), _add("-0.01"))),
    Attack("one moves there, one back", (_move("'9' HOUR"), _move("'-9' HOUR"))),
    Attack("a change and back", (_change_noted, _change_back)),
    Attack("more digits, used", (_widen, _add("0.0049"))),
    Attack("more digits, used, and fewer again", (_widen, _add("0.0049"), _narrow)),
    Attack(
        "two columns swap their names and back",
        (
            _names(("amount", "aside"), ("tax", "amount"), ("aside", "tax")),
            _names(("amount", "aside"), ("tax", "amount"), ("aside", "tax")),
        ),
    ),
    Attack("two tables swap their names and back", (_make_twin, _tables, _tables)),
    Attack("emptied and filled with others", (_make_twin, _empty_and_fill)),
    Attack(
        "others are chosen, and the same again",
        (_choose(range(310, 600, 10)), _choose(range(10, 300, 10))),
        where=_CHOSEN,
    ),
    Attack("others are chosen", (_choose(range(310, 600, 10)),), where=_CHOSEN),
    Attack("a commit that comes late", (_begin_late, _commit_late)),
    Attack("a commit in two phases", (_prepare, _commit_prepared)),
    Attack("a text that keeps the CRC32", (_forge,)),
    Attack(
        "an heir leaves and comes back",
        (_run("ALTER TABLE heir NO INHERIT purchases"), _run("ALTER TABLE heir INHERIT purchases")),
        layout="heirs",
        on=_PG,
    ),
    Attack(
        "an heir leaves for two inserts, and comes back",
        (
            _run("ALTER TABLE heir NO INHERIT purchases"),
            _insert,
            _run("ALTER TABLE heir INHERIT purchases"),
        ),
        layout="heirs",
        on=_PG,
    ),
    Attack(
        "a part leaves and comes back",
        (
            _run("ALTER TABLE purchases DETACH PARTITION purchases_2"),
            _run(f"ALTER TABLE purchases ATTACH PARTITION purchases_2 FOR VALUES FROM ({_NOON}) TO (MAXVALUE)"),
        ),
        layout="parts",
        on=_PG,
    ),
    Attack("rows move from part to part", (_move("'9' HOUR"), _move("'-9' HOUR")), layout="parts", on=_PG),
    Attack("rewritten as a whole after a delete", (_delete, _insert, _run("VACUUM FULL purchases")), on=_PG),
)
