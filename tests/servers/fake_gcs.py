"""fake-gcs-server for tests: https://github.com/fsouza/fake-gcs-server, with its memory backend."""

from __future__ import annotations

import json
import secrets
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

from tests.servers.programs import find_fake_gcs
from tests.servers.server import HOST, Server

_ANSWER_SECONDS = 30


class FakeGcsServer(Server):
    """Buckets in memory: they are gone when the process is."""

    name = "fake-gcs-server"
    environment = MappingProxyType({"TZ": "UTC"})  # it writes local times into what it answers; GCS never does

    def __init__(self) -> None:
        self._program = find_fake_gcs()
        super().__init__()

    def prepare(self) -> None:
        """Take the program along: its user may not be allowed to look into our home folder."""
        if self.user != "-":
            self._program = Path(shutil.copy(self._program, self.folder / "fake-gcs-server"))

    def command(self) -> list[str]:
        """Return the server's command line."""
        address = f"{HOST}:{self.port}"
        return [
            *(str(self._program), "-scheme", "http", "-backend", "memory", "-host", HOST, "-port", str(self.port)),
            *("-public-host", address, "-external-url", f"http://{address}", "-log-level", "error"),
        ]

    def is_ready(self) -> bool:
        """Whether it lists its buckets."""
        try:
            self._call("GET", "/storage/v1/b?project=penstock")
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    @property
    def endpoint(self) -> str:
        """`http://127.0.0.1:port`, what STORAGE_EMULATOR_HOST wants."""
        return f"http://{HOST}:{self.port}"

    def create_bucket(self) -> str:
        """Create an empty bucket and return its name."""
        name = f"penstock-{secrets.token_hex(6)}"
        self._call("POST", "/storage/v1/b?project=penstock", {"name": name})
        return name

    def names(self, bucket: str) -> list[str]:
        """Return the names of all objects in a bucket."""
        return [item["name"] for item in self._call("GET", f"/storage/v1/b/{bucket}/o").get("items", [])]

    def delete_bucket(self, name: str) -> None:
        """Delete a bucket and what lies in it, for its memory."""
        for item in self._call("GET", f"/storage/v1/b/{name}/o").get("items", []):
            self._call("DELETE", f"/storage/v1/b/{name}/o/{quote(item['name'], safe='')}")
        self._call("DELETE", f"/storage/v1/b/{name}")

    def _call(self, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, list[dict[str, str]]]:
        request = urllib.request.Request(
            self.endpoint + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as reply:
            text = reply.read()
        return json.loads(text) if text else {}
