"""Warns people that traces are not whole."""

from __future__ import annotations

import sys

from staging.redaction import redact


def warn(text: str) -> None:
    """Print a warning to stderr, without a secret."""
    print(redact(f"warning: {text}."), file=sys.stderr, flush=True)
