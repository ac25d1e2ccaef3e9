"""A whole day by DuckDB's postgres extension alone: reads, groups, deletes, inserts: `URL DAY NEXT_DAY`. Nothing is kept."""

import sys

from load_extension import connect_with

url, day, next_day = sys.argv[1:]
connection = connect_with("postgres_scanner")
connection.execute(f"ATTACH '{url}' AS shop (TYPE postgres)")
connection.execute(f"""
    CREATE TEMP TABLE revenue AS
    SELECT user_id, DATE '{day}' AS day, sum(amount)::DECIMAL(28, 2) AS revenue, count(*) AS purchases
    FROM shop.purchases WHERE purchased_at >= '{day}T00:00:00Z' AND purchased_at < '{next_day}T00:00:00Z' GROUP BY user_id
""")
connection.execute("BEGIN")
connection.execute(f"DELETE FROM shop.revenue WHERE day = DATE '{day}'")
connection.execute("INSERT INTO shop.revenue (user_id, day, revenue, purchases) SELECT * FROM revenue")
connection.execute("COMMIT")
