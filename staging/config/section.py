"""What every section of a pipeline file is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from staging.key import check_distinct, key_columns, spell_key

Name = Annotated[str, Field(min_length=1)]
Positive = Annotated[int, Field(ge=1)]
KeyColumns = Annotated[
    Name | Annotated[tuple[Name, ...], Field(min_length=1, strict=False)],
    AfterValidator(check_distinct),
    AfterValidator(lambda key: spell_key(key_columns(key))),
]


class Section(BaseModel):
    """A table of the pipeline file.

    Unknown keys and wrong types are faults.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)
