"""What a missing server means: its tests are skipped and the end of the run says so; or they fail, where it may not."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from tests.servers.programs import ServerMissingError

FOUND_MISSING: dict[str, str] = {}
"""Server → how to get it, of those that a test of this run asked for in vain."""


def are_required() -> bool:
    """Whether PENSTOCK_REQUIRE_SERVERS forbids to skip."""
    return os.environ.get("PENSTOCK_REQUIRE_SERVERS", "") not in ("", "0")


def skip_or_fail(error: ServerMissingError) -> NoReturn:
    """Skip the test that asked, or fail it."""
    FOUND_MISSING[error.server] = error.how_to_get
    if are_required():
        pytest.fail(f"{error} (PENSTOCK_REQUIRE_SERVERS is set)", pytrace=False)
    pytest.skip(f"{error.server} is not on this machine")
