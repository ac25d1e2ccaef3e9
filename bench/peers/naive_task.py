"""One task of the naive design: its range of users, summed by the database itself: `URL FIRST LAST`."""

import sys

from sqlalchemy import create_engine, text

url, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with create_engine(url).connect() as connection:
    rows = connection.execute(
        text(
            "SELECT user_id, SUM(amount), COUNT(*) FROM purchases WHERE purchased_at >= '2026-11-14'"
            " AND purchased_at < '2026-11-15' AND user_id BETWEEN :first AND :last GROUP BY user_id"
        ),
        {"first": first, "last": last},
    ).fetchall()
print(len(rows))
