"""Resource limits as Kubernetes writes them: `512Mi`, `2Gi`, `1000m`, `2`."""

from __future__ import annotations

import re
from decimal import Decimal

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_FACTOR = {
    None: Decimal(1),
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
}


def parse_quantity(text: str) -> Decimal | None:
    """The number that a quantity means; None for none.

    Bytes for memory, cores for CPU.
    """
    match = _QUANTITY.fullmatch(text)
    return Decimal(match[1]) * _FACTOR[match[2]] if match else None
