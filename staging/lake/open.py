"""Opens the lake that a source names.

And fetches single files of one, which a manifest names by their whole URL.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote_to_bytes

from staging.lake.folder import FolderLake, folder_of
from staging.lake.port import Lake
from staging.store import Digest, ObjectInfo, Store

SETTING = "source.parquet"
"""The key that names a lake where the leading rows lie there."""
_FOLDER = "file://"


@contextmanager
def open_lake(url: str, *, setting: str = SETTING) -> Iterator[Lake]:
    """Open `gs://bucket/prefix` or `file:///folder` to read from.

    Nothing is asked of a service yet. `setting` is the key that names it, for errors.
    """
    if url.startswith(_FOLDER):
        yield FolderLake(folder_of(url))
        return
    from staging.gcs.lake import open_gcs_lake  # noqa: PLC0415 - google-cloud-storage is slow to import

    with open_gcs_lake(url, setting) as lake:
        yield lake


def is_elsewhere(name: str) -> bool:
    """Return whether a file's name in a manifest is a URL.

    A URL of its own, and no name below the staging prefix.
    """
    return "://" in name


def download_file(store: Store, name: str, path: Path, *, generation: int, digest: Digest | None = None) -> ObjectInfo:
    """Download this generation of a manifest's file, wherever it lies.

    Raises as `Store.download`.
    """
    if not is_elsewhere(name):
        return store.download(name, path, generation=generation, digest=digest)
    folder, _, leaf = name.rpartition("/")
    with open_lake(f"{folder}/" if folder == _FOLDER else folder) as lake:
        leaf = os.fsdecode(unquote_to_bytes(leaf)) if name.startswith(_FOLDER) else leaf
        return lake.download(leaf, path, generation=generation, digest=digest)
