"""Reads the prices and their date.

Exact decimal dollars, and the date they were looked up.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("prices.toml")


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars of each unit, and measured rates for a million rows.

    See `prices.toml`.
    """

    day: date
    vcpu_second: Decimal
    gib_second: Decimal
    least_seconds: int
    class_a_operation: Decimal
    class_b_operation: Decimal
    gb_month: Decimal
    exporter_seconds: Decimal
    processor_seconds: Decimal
    loader_seconds: Decimal
    start_seconds: Decimal
    stored_bytes: int


@cache
def read_prices() -> Prices:
    """Return the prices that this version knows."""
    document = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    run, storage, rates = document["run"], document["storage"], document["rates"]
    return Prices(
        day=document["date"],
        vcpu_second=Decimal(run["vcpu_second"]),
        gib_second=Decimal(run["gib_second"]),
        least_seconds=run["least_seconds"],
        class_a_operation=Decimal(storage["class_a_operation"]),
        class_b_operation=Decimal(storage["class_b_operation"]),
        gb_month=Decimal(storage["gb_month"]),
        exporter_seconds=Decimal(rates["exporter_seconds"]),
        processor_seconds=Decimal(rates["processor_seconds"]),
        loader_seconds=Decimal(rates["loader_seconds"]),
        start_seconds=Decimal(rates["start_seconds"]),
        stored_bytes=rates["stored_bytes"],
    )
