"""Objects that lie outside the staging prefix and are read there: a manifest names them by their whole URL."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote

from staging.open_store import open_store
from staging.store import ObjectInfo, Store

_FOLDER = "file://"


def is_elsewhere(name: str) -> bool:
    """Whether a file's name in a manifest is a URL of its own, and no name below the staging prefix."""
    return "://" in name


def url_of(store: Store, name: str) -> str:
    """Return the URL of an object; a folder's URL has its names escaped, a bucket's has not."""
    return f"{store.url}/{quote(name) if store.url.startswith(_FOLDER) else name}"


def download_file(store: Store, name: str, path: Path, *, generation: int) -> ObjectInfo:
    """Download this generation of a manifest's file, wherever it lies; raises as `Store.download`."""
    if not is_elsewhere(name):
        return store.download(name, path, generation=generation)
    folder, _, leaf = name.rpartition("/")
    with open_store(folder) as other:
        return other.download(unquote(leaf) if folder.startswith(_FOLDER) else leaf, path, generation=generation)
