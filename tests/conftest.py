"""What all tests share: servers, and what a run promises about them."""

from __future__ import annotations

pytest_plugins = ["tests.servers.fixtures"]
