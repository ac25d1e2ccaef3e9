"""The Cloud Run Admin API v2 for jobs on this machine: the official clients, your programs as local processes.

`start` runs an emulator inside a program; `penstock-jobs-emulator serve` runs one by itself.
"""

from jobs_emulator.chaos import ChaosError
from jobs_emulator.embedded import Emulator, start
from jobs_emulator.images import Image, ImageTable, ImageTableError, read_image_table
from jobs_emulator.store import StoreError

__all__ = [
    "ChaosError", "Emulator", "Image", "ImageTable", "ImageTableError", "StoreError", "read_image_table", "start",
]  # fmt: skip
