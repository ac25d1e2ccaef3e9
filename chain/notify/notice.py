"""The notice that a webhook gets.

And the shapes in which chat services take it. No secret is in any of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from chain.views.figures import format_count, format_money, plural
from staging.config.notify import Event
from staging.redaction import redact
from staging.version import VERSION

Shape = Literal["json", "slack", "google_chat"]
_HOSTS: Mapping[str, Shape] = {"hooks.slack.com": "slack", "chat.googleapis.com": "google_chat"}
_SHOWN_DAYS = 10
_HEADS: Mapping[Event, str] = {
    "failure": "failed",
    "late": "is late",
    "recovered": "has recovered",
    "changed_days": "has changed",
}


@dataclass(frozen=True, slots=True)
class DayNews:
    """The news of one day.

    Of a failure: `what`, `why`, `fix`, `exit_code`; of a load: rows, sums, changes.
    """

    day: date
    what: str
    why: str = ""
    fix: str = ""
    exit_code: int = 0
    run_id: str = ""
    rows: int | None = None
    totals: Mapping[str, str] = field(default_factory=dict)
    inserted: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """One event of one pipeline, of one day or of many."""

    event: Event
    pipeline: str
    days: tuple[DayNews, ...]
    at: datetime

    def text(self) -> str:
        """Return the notice in words, a line a day.

        The first ten of them.
        """
        lines = [f"{self.pipeline} {_head(self.event, self.days)}"]
        for news in self.days[:_SHOWN_DAYS]:
            lines += [f"{news.day}: {news.what}" if len(self.days) > 1 else news.what]
            lines += [f"{label}: {said}" for label, said in (("why", news.why), ("fix", news.fix)) if said]
        more = len(self.days) - _SHOWN_DAYS
        return redact("\n".join([*lines, f"and {plural(more, 'more day')}"] if more > 0 else lines))

    def to_json(self) -> dict[str, Any]:
        """Return what is posted as JSON; later versions may add fields."""
        return {
            "format": 1,
            "event": self.event,
            "pipeline": self.pipeline,
            "at": self.at.isoformat(timespec="seconds"),
            "text": self.text(),
            "days": [_day_json(news) for news in self.days],
            "penstock_version": VERSION,
        }


def choose_shape(wanted: Literal["auto", "json", "slack", "google_chat"], url: str) -> Shape:
    """Return the shape that the host of a webhook takes.

    Unless one is wanted.
    """
    return _HOSTS.get((urlsplit(url).hostname or "").lower(), "json") if wanted == "auto" else wanted


def to_payload(notice: Notice, shape: Shape) -> dict[str, Any]:
    """Return what is posted.

    Slack: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks (`&`, `<`, `>` are its own signs).
    Google Chat: https://developers.google.com/workspace/chat/quickstart/webhooks.
    """
    if shape == "slack":
        return {"text": notice.text().replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
    if shape == "google_chat":
        return {"text": notice.text()}
    return notice.to_json()


def describe_load(rows: int, totals: Mapping[str, str]) -> str:
    """`52,909 rows, revenue 9,552,212.14, purchases 96,544`."""
    return ", ".join([plural(rows, "row"), *(f"{name} {format_money(total)}" for name, total in totals.items())])


def describe_changes(inserted: int, updated: int, deleted: int) -> str:
    """`12 inserted, 3 changed, 1 deleted`: what there was of it."""
    counts = {"inserted": inserted, "changed": updated, "deleted": deleted}
    return ", ".join(f"{format_count(number)} {what}" for what, number in counts.items() if number)


def _head(event: Event, days: Sequence[DayNews]) -> str:
    if len(days) == 1:
        return f"{days[0].day} {_HEADS[event]}"
    return f"{_HEADS[event]}: {plural(len(days), 'day')}"


def _day_json(news: DayNews) -> dict[str, Any]:
    return {
        "day": news.day.isoformat(),
        "what": redact(news.what),
        "why": redact(news.why),
        "fix": redact(news.fix),
        "exit_code": news.exit_code,
        "run_id": news.run_id,
        "rows": news.rows,
        "totals": dict(news.totals),
        "inserted": news.inserted,
        "updated": news.updated,
        "deleted": news.deleted,
    }
