"""What every section of a pipeline file is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1)]
Positive = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A table of the pipeline file.

    Unknown keys and wrong types are faults.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)
