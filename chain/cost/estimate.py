"""Estimates what a day costs.

Seconds of tasks, operations, storage of a month, by prices and measured rates. It is an estimate. A task is billed for
at least a minute, so small days cost their number of tasks; the rests of a paced read are the exporter's and the
chain's time, which a plan knows and a summary has measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from chain.cost.prices import read_prices
from staging.config.cloud import CloudConfig, CloudJob

_MILLION = Decimal(1_000_000)
_DOCUMENTS = 12
"""Manifest, head, lease, run and notes: a day writes about so many beside shards, parts and receipts."""

_CPU, _MEMORY_GIB = Decimal(1), Decimal("0.5")  # what Cloud Run gives where the file says nothing


@dataclass(frozen=True, slots=True)
class DayFigures:
    """The figures that determine the cost of a day.

    `seconds` is how long the day took, or is going to take.
    """

    rows: int
    loaded_rows: int
    shards: int
    tasks: int
    seconds: float


@dataclass(frozen=True, slots=True)
class DayCost:
    """Units and their cost; storage is for one month."""

    vcpu_seconds: Decimal
    gib_seconds: Decimal
    class_a: int
    class_b: int
    stored_bytes: int

    @property
    def dollars(self) -> Decimal:
        """The cost of all of them."""
        prices = read_prices()
        return (
            self.vcpu_seconds * prices.vcpu_second
            + self.gib_seconds * prices.gib_second
            + self.class_a * prices.class_a_operation
            + self.class_b * prices.class_b_operation
            + Decimal(self.stored_bytes) / 1_000_000_000 * prices.gb_month
        )

    def tell(self) -> str:
        """Return the dollars, with the date of their prices."""
        return f"about ${format_dollars(self.dollars)} on Google Cloud (list prices of {read_prices().day})"

    def describe(self) -> str:
        """Return the dollars and what they pay for."""
        operations = self.class_a + self.class_b
        return (
            f"about ${format_dollars(self.dollars)} on Google Cloud: {self.vcpu_seconds:,.0f} vCPU s, "
            f"{operations:,} operations, a month of storage (list prices of {read_prices().day})"
        )


def estimate_day(figures: DayFigures, cloud: CloudConfig) -> DayCost:
    """Return what a day with these figures costs.

    On Cloud Run and Cloud Storage.
    """
    prices = read_prices()
    read, loaded = Decimal(figures.rows) / _MILLION, Decimal(figures.loaded_rows) / _MILLION
    whole = Decimal(str(figures.seconds))
    exporting = max(prices.start_seconds + read * prices.exporter_seconds, whole / 2)
    task = prices.start_seconds + read * prices.processor_seconds / max(1, figures.tasks)
    times: list[tuple[CloudJob, Decimal, int]] = [
        (cloud.chain, whole, 1),
        (cloud.exporter, exporting, 1),
        (cloud.processor, task, figures.tasks),
        (cloud.loader, prices.start_seconds + loaded * prices.loader_seconds, 1),
    ]
    vcpu_seconds, gib_seconds = Decimal(0), Decimal(0)
    for job, seconds, tasks in times:
        billed = max(Decimal(prices.least_seconds), seconds) * tasks
        vcpu_seconds += billed * (_quantity(job.cpu) if job.cpu else _CPU)
        gib_seconds += billed * (_gib(job.memory) if job.memory else _MEMORY_GIB)
    class_a = figures.shards + 2 * figures.shards + _DOCUMENTS  # shards; parts and receipts
    class_b = 4 * figures.shards + 4 * _DOCUMENTS + 3 * figures.tasks  # looks at shards, parts, receipts, documents
    return DayCost(vcpu_seconds, gib_seconds, class_a, class_b, int(read * prices.stored_bytes))


def format_dollars(dollars: Decimal) -> str:
    """Return an amount to the cent.

    Below ten cents, to a tenth of a cent.
    """
    return f"{dollars:,.2f}" if dollars >= Decimal("0.1") else f"{dollars:.3f}"


def _quantity(cpu: str) -> Decimal:
    return Decimal(cpu[:-1]) / 1000 if cpu.endswith("m") else Decimal(cpu)


def _gib(memory: str) -> Decimal:
    units = {"Mi": 2**20, "Gi": 2**30, "M": 10**6, "G": 10**9}
    number = memory.rstrip("MGi")
    return Decimal(number) * units[memory[len(number) :]] / 2**30
