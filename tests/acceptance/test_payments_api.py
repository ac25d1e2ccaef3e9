"""The example with a third party's HTTP API, whole: pages, a rate limit, a fault in the middle, the proof."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.acceptance.commands import Ended, penstock

pytestmark = pytest.mark.integration

PIPELINES = Path(__file__).parents[2] / "pipelines"
START = datetime(2026, 10, 24, 22, tzinfo=UTC)  # of the 25th in Berlin, which has 25 hours
PAGE_ROWS = 100
PAYMENTS = [
    {
        "merchant": f"merchant {i % 13}",
        "paid_at": (START + timedelta(minutes=i - 60)).isoformat(),
        "amount_cents": i * 7919 % 100_000 - 20_000,
    }
    for i in range(1700)
]


class Api(ThreadingHTTPServer):
    """Pages of payments, generous by an hour on both sides; every third request is one too many."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: Counter[int] = Counter()
        self.dead = False


class _Handler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        asked = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        if self.server.dead:
            return self._answer(403, {})
        if self.server.asked.total() % 3 == 2:
            return self._answer(429, {}, **{"Retry-After": "0.01"})
        first = int(asked.get("cursor", "0"))
        low, high = (datetime.fromisoformat(asked[edge]) for edge in ("from", "to"))
        hour = timedelta(hours=1)
        found = [p for p in PAYMENTS if low - hour <= datetime.fromisoformat(str(p["paid_at"])) < high + hour]
        page = found[first : first + PAGE_ROWS]
        following = str(first + PAGE_ROWS) if first + PAGE_ROWS < len(found) else None
        return self._answer(200, {"payments": page, "next_cursor": following})

    def _answer(self, code: int, body: dict[str, object], **headers: str) -> None:
        self.server.asked[code] += 1
        data = json.dumps(body).encode()
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_day_of_an_api_goes_to_a_table_and_can_be_processed_again_without_it(api: Api, tmp_path: Path) -> None:
    for name in ("payments_api.toml", "payments_api.py"):
        shutil.copy(PIPELINES / name, tmp_path / name)
    (tmp_path / "staging").mkdir()

    def run(*command: str) -> Ended:
        return penstock(
            command[0],
            "--config",
            tmp_path / "payments_api.toml",
            *command[1:],
            logs=tmp_path / "logs",
            PAYMENTS_API=f"http://127.0.0.1:{api.server_address[1]}",
            WAREHOUSE_URL=f"sqlite:///{tmp_path / 'warehouse.sqlite'}",
            PENSTOCK_STAGING__URL=f"file://{tmp_path / 'staging'}",
        )

    day = ("--day", "2026-10-25")
    assert run("init").code == 0
    report = run("run", *day, "--json").json()

    inside = [p for p in PAYMENTS if START <= datetime.fromisoformat(str(p["paid_at"])) < START + timedelta(hours=25)]
    revenue: Counter[str] = Counter()
    for payment in inside:
        revenue[str(payment["merchant"])] += int(str(payment["amount_cents"]))
    assert report["rows_exported"] == len(inside) == 1500
    with sqlite3.connect(tmp_path / "warehouse.sqlite") as found:
        rows = found.execute("SELECT merchant, revenue FROM payments WHERE day = '2026-10-25'").fetchall()
    found.close()
    assert {name: round(Decimal(str(money)) * 100) for name, money in rows} == dict(revenue)
    assert Decimal(report["totals"]["loaded"]["revenue"]) * 100 == revenue.total()
    assert api.asked[429] >= 5
    assert run("verify", *day).code == 0

    api.dead = True
    assert run("reprocess", *day).code == 0
    refused = run("run", *day, "--fresh-export")
    assert refused.code == 10, refused.err
    assert "The source payments_api:read_payments raised." in refused.err
    assert "HTTP Error 403" in refused.err
    assert "payments_api.py:" in refused.err
