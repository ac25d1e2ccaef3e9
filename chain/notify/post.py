"""Posts to a webhook, with a few retries.

If need be, and never for long.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from staging.errors import UnavailableError

_ATTEMPTS = 4
_PATIENCE_SECONDS = 25.0
_ATTEMPT_SECONDS = 6.0
_LONGEST_PAUSE_SECONDS = 5.0
_TOO_MANY, _TIMED_OUT, _SERVER_FAULT = 429, 408, 500


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A notice goes to the address that the pipeline names, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401 - the library's signature
        return None


def post_json(
    url: str,
    payload: Mapping[str, Any],
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Post to a webhook.

    Tried again for half a minute at most; UnavailableError says why it was in vain, without the address.
    """
    request = urllib.request.Request(  # noqa: S310 - http and https alone, checked where the pipeline file is read
        url,
        data=json.dumps(payload, ensure_ascii=False).encode(),
        headers={"Content-Type": "application/json; charset=UTF-8", "User-Agent": "penstock"},
        method="POST",
    )
    opener = urllib.request.build_opener(_NoRedirects)
    end, why = clock() + _PATIENCE_SECONDS, ""
    for attempt in range(_ATTEMPTS):
        pause = min(_LONGEST_PAUSE_SECONDS, 0.5 * 2**attempt)
        try:
            with opener.open(request, timeout=min(_ATTEMPT_SECONDS, max(0.1, end - clock()))):
                return
        except urllib.error.HTTPError as error:
            why = f"It answered {error.code}."
            if not _may_pass(error.code):
                break
            pause = min(_LONGEST_PAUSE_SECONDS, _retry_after(error.headers.get("Retry-After")) or pause)
        except (OSError, http.client.HTTPException, ValueError) as error:  # urllib's own errors are OSErrors
            why = f"{type(error).__name__}: it did not answer."
        if attempt == _ATTEMPTS - 1 or clock() + pause >= end:
            break
        sleep(pause)
    raise UnavailableError("The webhook of `notify.url` could not be told.", why=why, fix="Look at the address.")


def _may_pass(status: int) -> bool:
    return status in (_TOO_MANY, _TIMED_OUT) or status >= _SERVER_FAULT


def _retry_after(text: str | None) -> float | None:
    return float(text) if text and text.isdigit() else None
