"""A shop's small steady load, open loop: `URL SECONDS TPS`. Prints [due seconds, latency ms] of each transaction.

One transaction: read one purchase, insert one, commit. It begins when it is due, whether or not the one before is
over, so a stall is felt by all who come meanwhile. Times are CLOCK_MONOTONIC's. A line on stdin ends it.
"""

import json
import queue
import sys
import threading
import time

from sqlalchemy import create_engine, text

url, seconds, tps = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
engine = create_engine(url, pool_size=32, max_overflow=0)
insert = text(
    "INSERT INTO purchases (purchase_id, user_id, amount, purchased_at) VALUES (:id, :user, 1.00, '2026-11-20 12:00:00')"
)
read = text("SELECT amount FROM purchases WHERE purchase_id = :id")
due: queue.Queue[tuple[int, float]] = queue.Queue()
latencies: list[tuple[float, float]] = []
base = time.time_ns() // 1000


def serve() -> None:
    with engine.connect() as connection:
        while True:
            number, at = due.get()
            if number < 0:
                return
            connection.execute(read, {"id": 1 + number * 7919 % 100_000})
            connection.execute(insert, {"id": base + number, "user": number})
            connection.commit()
            latencies.append((at, (time.monotonic() - at) * 1000))


workers = [threading.Thread(target=serve) for _ in range(32)]
for worker in workers:
    worker.start()
time.sleep(1)  # connections stand
began = time.monotonic()
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
for number in range(int(seconds * tps)):
    at = began + number / tps
    if stop.is_set():
        break
    time.sleep(max(0.0, at - time.monotonic()))
    due.put((number, at))
for _ in workers:
    due.put((-1, 0.0))
for worker in workers:
    worker.join()
print(json.dumps(latencies))
