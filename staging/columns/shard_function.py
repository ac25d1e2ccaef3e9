"""Names the function that shards by a key of these types.

What it computes: `staging.sharding`.
"""

from __future__ import annotations

from staging.control_sums import AnyType, scale_of
from staging.errors import InputError

FIBONACCI = "fibonacci-u64"
XXH64 = "xxh64"
SPLITMIX = "splitmix64"
BY_FILE = "file"
"""No function of the key: a shard is one foreign file, and a key may lie in several."""
_MAX_INT64_DIGITS = 18


def choose_function(*dtypes: AnyType) -> str:
    """Return the name of the shard function for a key.

    For keys of columns of these types, or raise InputError.
    """
    names = [function_of(dtype) for dtype in dtypes]
    return names[0] if len(names) == 1 else f"{SPLITMIX}({', '.join(names)})"


def function_of(dtype: AnyType) -> str:
    """Return the function's name for one column.

    InputError where its type has none.
    """
    digits = getattr(dtype, "precision", None)
    if (dtype.is_integer() and str(dtype) not in ("Int128", "UInt128")) or (
        digits is not None and scale_of(dtype) == 0 and digits <= _MAX_INT64_DIGITS
    ):
        return FIBONACCI
    if str(dtype) in ("String", "Binary"):
        return XXH64
    raise InputError(
        f"A key of type {dtype} can't be sharded.",
        why="Only integers, decimals without fraction (18 digits at most), text, UUIDs and bytes have a stable hash.",
        fix="Choose another column as `source.key`.",
    )
