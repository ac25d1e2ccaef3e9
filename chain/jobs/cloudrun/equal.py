"""Recognizes values that mean the same.

The service may write them back in another way than they were sent.
"""

from __future__ import annotations

import re
from decimal import Decimal

from google.cloud import run_v2

_UNITS: dict[str, Decimal] = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
}


def same_memory_or_cpu(one: str, other: str) -> bool:
    """`1` is `1000m`, `1Gi` is `1024Mi`."""
    return one == other or (_quantity(one) is not None and _quantity(one) == _quantity(other))


def same_name(one: str, other: str) -> bool:
    """`default` is `projects/p/global/networks/default`; two long names are compared as they are."""
    if "/" in one and "/" in other:
        return one == other
    return one.rpartition("/")[2] == other.rpartition("/")[2]


def same_secret(variable: run_v2.EnvVar, secret: str, version: str) -> bool:
    """Return whether the variable holds that version of that secret."""
    selector = variable.value_source.secret_key_ref
    return bool(selector.secret) and same_name(selector.secret, secret) and (selector.version or "latest") == version


def _quantity(text: str) -> Decimal | None:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(m|M|G|Mi|Gi)?", text)
    return Decimal(match[1]) * _UNITS[match[2] or ""] if match else None
