"""The `[pacing]` section: how much of the database reading takes.

And what makes it wait.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from staging.config.section import Name, Positive, Section

_QUERY = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:SELECT|WITH)\b", re.IGNORECASE | re.DOTALL)


def check_query(sql: str) -> str:
    """Return the statement; ValueError where it is no SELECT."""
    if _QUERY.match(sql) is None:
        raise ValueError("is no SELECT: take a statement that the shop itself runs, and that reads")
    return sql


class PacingConfig(Section):
    """How gently the source is read.

    See the reference for each key; None: as `gentle` has it (`exporter.pacing`).
    """

    gentle: Literal["primary", "replica"] = "primary"
    nice: Annotated[int, Field(ge=0, le=100)] | None = None
    max_rows_per_second: Positive | None = None
    max_active_sessions: Positive | None = None
    critical_active_sessions: Positive | None = None
    max_replica_lag_seconds: Positive | None = None
    probe: Name | None = None
    max_pause_seconds: Positive = 3600
    latency_probe: Annotated[Name, AfterValidator(check_query)] | None = None
    max_p99_increase: Annotated[float, Field(gt=1, le=100, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _what_is_promised_is_measured(self) -> Self:
        if self.max_p99_increase is not None and self.latency_probe is None:
            raise ValueError("max_p99_increase needs latency_probe: a SELECT of the shop's own, whose p99 is measured")
        return self
