"""Cells, rows and medians of the report's tables."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Any


def row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    yield ""
    yield row(head)
    yield "|" + "---|" * len(head)
    yield from map(row, rows)


def kept(value: float, limit: float) -> str:
    return f"{value:.2f} (aim ≤ {limit}: {'kept' if value <= limit else '**missed**'})"


def whole(value: float, limit: float) -> str:
    return f"{value:.0f} (aim ≤ {limit}: {'kept' if value <= limit else '**missed**'})"


def seconds_of(samples: Sequence[dict[str, float]]) -> str:
    each = [sample["seconds"] for sample in samples]
    return f"{statistics.median(each):.2f} ({min(each):.2f} – {max(each):.2f})"


def median(samples: Sequence[dict[str, float]], name: str) -> float:
    return statistics.median(sample[name] for sample in samples)


def busy(result: dict[str, Any]) -> str:
    return f"The load average was {result['load_average']:.0f}: the busier, the less the wall says and the more the processor seconds."
