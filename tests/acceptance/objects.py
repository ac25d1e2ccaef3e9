"""What lies in the staging, read without Penstock and without its libraries: files, or plain HTTP."""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit


def list_objects(staging_url: str) -> list[str]:
    """Return the names of all objects below a staging URL, sorted; none that is not finished."""
    parts = urlsplit(staging_url)
    if parts.scheme == "file":
        root = Path(parts.path)
        files = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
        return sorted(str(path) for path in files if not any(part.startswith(".") for part in path.parts))
    prefix = parts.path.lstrip("/") + "/" if parts.path.strip("/") else ""
    names: list[str] = []
    token = ""
    while True:
        page = json.loads(_get(f"/storage/v1/b/{parts.netloc}/o?prefix={quote(prefix)}&pageToken={quote(token)}"))
        names += [item["name"].removeprefix(prefix) for item in page.get("items", [])]
        if not (token := page.get("nextPageToken", "")):
            return sorted(names)


def read_object(staging_url: str, name: str) -> bytes:
    """Return an object's bytes."""
    parts = urlsplit(staging_url)
    if parts.scheme == "file":
        return (Path(parts.path) / name).read_bytes()
    full = "/".join(filter(None, [parts.path.strip("/"), name]))
    return _get(f"/storage/v1/b/{parts.netloc}/o/{quote(full, safe='')}?alt=media")


def read_manifest(staging_url: str) -> dict[str, Any]:
    """Return the only manifest below a staging URL, as plain JSON."""
    (name,) = [name for name in list_objects(staging_url) if name.endswith("/manifest.json")]
    found: dict[str, Any] = json.loads(read_object(staging_url, name))
    return found


def fetch_shards(staging_url: str, manifest: dict[str, Any], folder: Path) -> list[list[Path]]:
    """Copy the files of each shard that a manifest names into a folder."""
    shards = []
    for shard in manifest["shards"]:
        paths = []
        for number, file in enumerate(shard["files"]):
            path = folder / f"shard-{shard['shard']}-{number}.parquet"
            path.write_bytes(read_object(staging_url, file["name"]))
            paths.append(path)
        shards.append(paths)
    return shards


def _get(path: str) -> bytes:
    with urllib.request.urlopen(os.environ["STORAGE_EMULATOR_HOST"] + path, timeout=30) as reply:
        data: bytes = reply.read()
    return data
