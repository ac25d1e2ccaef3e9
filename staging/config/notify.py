"""The `[notify]` section: who is notified of a night.

And in which shape.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, PlainValidator

from staging.config.section import Section

Event = Literal["failure", "late", "recovered", "changed_days"]
EVENTS: tuple[Event, ...] = ("failure", "late", "recovered", "changed_days")


class HookUrl(str):
    """The address of a webhook as the pipeline file says it.

    Anybody who has it may post, so it never shows itself.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "HookUrl(…)"


def _hook(value: Any) -> HookUrl:  # noqa: ANN401 - pydantic hands over whatever the file holds
    if isinstance(value, HookUrl):
        return value
    if isinstance(value, str) and value.strip().startswith(("env:", "file:/", "https://", "http://")):
        return HookUrl(value.strip())
    raise ValueError("should be the address of a webhook, https://…, or better env:NAME or file:/path that holds it")


class NotifyConfig(Section):
    """Where and of what to notify.

    Without `url` nobody is notified. A hook that does not answer never makes a night fail.
    """

    on: Annotated[tuple[Event, ...], Field(strict=False)] = EVENTS
    url: Annotated[HookUrl, PlainValidator(_hook), PlainSerializer(lambda _: HookUrl.__repr__(HookUrl()))] | None = None
    shape: Literal["auto", "json", "slack", "google_chat"] = "auto"
    late_after_seconds: Annotated[int, Field(ge=0, le=604_800)] = 0
