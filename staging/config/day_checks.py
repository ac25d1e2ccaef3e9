"""The `[checks]` section: when a day's number of rows is doubted."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from staging.config.section import Section

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Multiple = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ChecksConfig(Section):
    """How far a day may differ from the last stored ones.

    The measure is their median; see the reference for each key. `max_drop` is the share of the median that may be
    missing, `max_rise` how many medians may be added to it.
    """

    min_rows: Annotated[int, Field(ge=0)] | None = None
    max_drop: Share = 0.9
    max_rise: Multiple | None = None
