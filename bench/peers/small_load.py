"""A shop's small steady load, open loop: `URL SECONDS TPS`. Prints [due seconds, latency ms] of each transaction.

One transaction of six statements: read two purchases, insert one, take it off the stock, read the stock, commit. It
begins when it is due, whether or not the one before is over, so all that come during a stall feel it. Times are
CLOCK_MONOTONIC's. A line on stdin ends it. TPS 0: no due times, four workers each begin anew as soon as they are done.
"""

import gc
import json
import queue
import sys
import threading
import time
from typing import Any

import psycopg
import pymysql
from sqlalchemy import make_url

url, seconds, tps = make_url(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
WORKERS = 16 if tps else 4


def connect() -> Any:
    if url.get_backend_name() == "postgresql":
        return psycopg.connect(
            host=url.host, port=url.port, user=url.username, password=url.password, dbname=url.database
        )
    return pymysql.connect(
        host=url.host, port=url.port, user=url.username, password=url.password, database=url.database
    )


due: queue.SimpleQueue[tuple[int, float]] = queue.SimpleQueue()
latencies: list[tuple[float, float]] = []
base = time.time_ns() // 1000


def serve() -> None:
    connection = connect()
    cursor = connection.cursor()
    while True:
        number, at = due.get()
        if number < 0:
            connection.close()
            return
        for one in (7919, 104729):
            cursor.execute("SELECT amount FROM purchases WHERE purchase_id = %s", (1 + number * one % 100_000,))
            cursor.fetchall()
        cursor.execute(
            "INSERT INTO purchases (purchase_id, user_id, amount, purchased_at)"
            " VALUES (%s, %s, 1.00, '2026-11-20 12:00:00')",
            (base + number, number),
        )
        cursor.execute("UPDATE stock SET pieces = pieces - 1 WHERE item_id = %s", (1 + number * 7919 % 1000,))
        cursor.execute("SELECT pieces FROM stock WHERE item_id = %s", (1 + number * 7919 % 1000,))
        cursor.fetchall()
        connection.commit()
        latencies.append((at, (time.monotonic() - at) * 1000))


def queue_all() -> None:
    for number in range(int(seconds * tps)):
        at = began + number / tps
        if stop.is_set():
            break
        time.sleep(max(0.0, at - time.monotonic()))
        due.put((number, at))


def queue_as_done() -> None:
    for number in range(10**9):
        if stop.is_set():
            break
        while due.qsize() >= WORKERS:
            time.sleep(0.0002)
        due.put((number, time.monotonic()))


def wait_for_the_end() -> None:
    sys.stdin.readline()
    stop.set()


workers = [threading.Thread(target=serve) for _ in range(WORKERS)]
for worker in workers:
    worker.start()
time.sleep(1)  # connections are open
gc.freeze()
gc.disable()  # a pause of our own is no stall of the server's
began = time.monotonic()
stop = threading.Event()
threading.Thread(target=wait_for_the_end, daemon=True).start()
queue_all() if tps else queue_as_done()
for _ in workers:
    due.put((-1, 0.0))
for worker in workers:
    worker.join()
print(json.dumps(latencies))
