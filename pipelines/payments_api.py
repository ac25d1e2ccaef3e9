"""The payments of a day from another company's HTTP API: pages, a rate limit, retries. The source of payments_api.toml.

Retries are this module's own business. It shows the few lines that a polite client needs; libraries such as tenacity
or stamina do the same with less, where they are installed.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import polars as pl

# One schema for every page, so that an empty page, or one with only NULLs, has the same types as any other.
SCHEMA = {
    "merchant": pl.String(),
    "paid_at": pl.Datetime("us", "UTC"),
    "amount": pl.Decimal(18, 2),
}
ATTEMPTS = 6
RETRIED = (408, 425, 429, 500, 502, 503, 504)


def read_payments(day: date, start: datetime, end: datetime) -> Iterator[pl.DataFrame]:  # noqa: ARG001 - the window says it all
    """Give the payments from `start` (inclusive) to `end` (exclusive), a frame for each page."""
    base = os.environ["PAYMENTS_API"]
    cursor: str | None = ""
    while cursor is not None:
        asked = {"from": start.isoformat(), "to": end.isoformat(), "cursor": cursor}
        page = get_json(f"{base}/payments?{urlencode(asked)}")
        rows = [
            (p["merchant"], datetime.fromisoformat(p["paid_at"]), cents(p["amount_cents"])) for p in page["payments"]
        ]
        yield pl.DataFrame(rows, schema=SCHEMA, orient="row")
        cursor = page["next_cursor"]


def cents(amount: int) -> Decimal:
    """Return whole cents as money, without a float on the way."""
    return Decimal(amount).scaleb(-2)


def get_json(url: str) -> dict[str, Any]:
    """Ask the API; wait and try again when it is busy or away, as long as it says in Retry-After."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - the operator's own URL
                page: dict[str, Any] = json.load(answer)
                return page
        except urllib.error.HTTPError as error:
            wait_seconds = float(error.headers.get("Retry-After") or 2.0**attempt)
            error.close()
            if error.code not in RETRIED or attempt == ATTEMPTS:
                raise
        except OSError:
            wait_seconds = 2.0**attempt
            if attempt == ATTEMPTS:
                raise
        time.sleep(min(wait_seconds, 60))
    raise AssertionError("never reached")
