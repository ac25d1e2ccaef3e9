"""What polars raises when it can't do something.

A panic is one of these, though it is no `Exception` of Python's.
"""

from __future__ import annotations

import polars as pl

POLARS_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
