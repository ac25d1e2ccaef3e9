"""Runs Cloud Run jobs as processes of this machine.

It serves the Cloud Run Admin API v2: the official clients, your programs as local processes. `start` runs an emulator
inside a program; `penstock-jobs-emulator serve` runs one by itself; the pytest fixture `cloud_run_jobs` gives one to a
test.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs_emulator.chaos import ChaosError as ChaosError
    from jobs_emulator.clients import executions_client as executions_client
    from jobs_emulator.clients import jobs_client as jobs_client
    from jobs_emulator.clients import tasks_client as tasks_client
    from jobs_emulator.embedded import Emulator as Emulator
    from jobs_emulator.embedded import start as start
    from jobs_emulator.errors import ApiError as ApiError
    from jobs_emulator.images import Image as Image
    from jobs_emulator.images import ImageTable as ImageTable
    from jobs_emulator.images import ImageTableError as ImageTableError
    from jobs_emulator.images import read_image_table as read_image_table
    from jobs_emulator.store import StoreError as StoreError

_HOMES = {
    "ApiError": "errors",
    "ChaosError": "chaos",
    "Emulator": "embedded",
    "Image": "images",
    "ImageTable": "images",
    "ImageTableError": "images",
    "StoreError": "store",
    "executions_client": "clients",
    "jobs_client": "clients",
    "read_image_table": "images",
    "start": "embedded",
    "tasks_client": "clients",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 — the names above


def __getattr__(name: str) -> object:
    # Imported when asked for: Google's client takes a second, and pytest always loads this package for its fixture.
    if name in _HOMES:
        return getattr(importlib.import_module(f"jobs_emulator.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'jobs_emulator' has no attribute '{name}'")
