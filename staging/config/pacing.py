"""The `[pacing]` section: how much of the database reading takes.

And what makes it wait.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from staging.config.section import Name, Positive, Section


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
