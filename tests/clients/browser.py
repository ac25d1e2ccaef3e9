"""Headless Chromium, as a person's eyes: pages into pictures."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.servers.install import install_packages
from tests.servers.programs import ServerMissingError

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-dev-shm-usage",
)  # fmt: skip


def find_chromium() -> str:
    """Return the program, installed from the system's packages when that needs no question; ServerMissingError."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    if os.environ.get("PENSTOCK_INSTALL_SERVERS", "") != "0":
        install_packages(["chromium"])
    if found := shutil.which("chromium"):
        return found
    raise ServerMissingError("Chromium", "`apt-get install chromium`")


def take_screenshot(url: str, picture: Path, *, width: int, height: int, dark: bool) -> None:
    """Write a PNG of a page of that size in pixels, as a browser that prefers light or dark shows it."""
    # Blink's own switch for `prefers-color-scheme`: 0 is dark, 1 is light.
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    _run(f"--window-size={width},{height}", "--force-device-scale-factor=2", scheme, f"--screenshot={picture}", url)


def read_document(url: str, *, width: int, virtual_seconds: int = 0) -> str:
    """Return the page's HTML after it was laid out at that width, and its scripts had their time by its own clock."""
    clock = [f"--virtual-time-budget={virtual_seconds * 1000}"] if virtual_seconds else []
    return _run(f"--window-size={width},900", *clock, "--dump-dom", url)


def _run(*arguments: str) -> str:
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        command = [find_chromium(), *FLAGS, f"--user-data-dir={profile}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout
