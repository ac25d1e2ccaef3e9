"""The stores that the one suite runs against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from staging.gcs.store import GcsStore, open_gcs_store
from staging.open_store import open_store
from staging.store import Store
from tests.servers.fake_gcs import FakeGcsServer
from tests.servers.gcs_proxy import GcsProxy

PATIENCE_SECONDS = 12.0
BUFFERS_BYTES = 512 * 1024


@pytest.fixture(params=["folder", "gcs"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store: a new folder, or a new bucket's prefix."""
    if request.param == "folder":
        return (tmp_path / "staging").as_uri()
    return f"{request.getfixturevalue('gcs_bucket')}/staging/inner"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store, each adapter in turn."""
    with open_store(store_url) as opened:
        yield opened


@pytest.fixture
def gcs_proxy(gcs_server: FakeGcsServer, gcs_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsProxy]:
    """A proxy before the bucket's server, which STORAGE_EMULATOR_HOST names. All armed faults must have been met."""
    proxy = GcsProxy(gcs_server.endpoint)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.endpoint)
    try:
        yield proxy
        assert proxy.unfired() == []
    finally:
        proxy.close()


@pytest.fixture
def proxied_store(gcs_proxy: GcsProxy, gcs_bucket: str) -> Iterator[GcsStore]:
    """A GCS store behind the proxy, that loses its patience soon and streams in chunks of 512 KiB."""
    with open_gcs_store(
        f"{gcs_bucket}/staging", patience_seconds=PATIENCE_SECONDS, buffers_bytes=BUFFERS_BYTES
    ) as opened:
        yield opened
