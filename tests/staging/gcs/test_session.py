"""What the environment says of proxies and authorities holds for each request, though it is read once."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from staging.gcs.session import read_environment_once
from staging.open_store import open_store
from tests.servers.fake_gcs import FakeGcsServer

GCS = "https://storage.googleapis.com"


def read(url: str = GCS) -> requests.Session:
    http = requests.Session()
    read_environment_once(http, url)
    return http


def test_the_proxy_and_the_authorities_are_those_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:3128")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ours.pem"))
    http = read()
    monkeypatch.undo()
    sent = http.merge_environment_settings(f"{GCS}/storage/v1/b/any", {}, None, None, None)
    assert sent["proxies"]["https"] == "http://127.0.0.1:3128"
    assert sent["verify"] == str(tmp_path / "ours.pem")


def test_a_host_that_needs_no_proxy_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:3128")
    monkeypatch.setenv("NO_PROXY", ".googleapis.com")
    assert read().proxies == {}
    assert read("https://elsewhere.example").proxies["https"] == "http://127.0.0.1:3128"


def test_nothing_said_is_nothing_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    http = read()
    assert (http.proxies, http.verify) == ({}, True)


@pytest.mark.integration
def test_objects_come_and_go_by_the_proxy(
    gcs_server: FakeGcsServer, gcs_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server stands for a proxy: it takes a request with a whole address, too."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://storage.invalid")
    monkeypatch.setenv("http_proxy", gcs_server.endpoint)
    with open_store(gcs_bucket) as store:
        store.create("small.json", b"{}")
        writer = store.create_stream("large.parquet")
        writer.write(b"x" * 600_000)
        writer.commit()
        assert store.read("small.json")[0] == b"{}"
    assert sorted(gcs_server.names(gcs_bucket.removeprefix("gs://"))) == ["large.parquet", "small.json"]
