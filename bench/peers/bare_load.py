"""The bare bulk load and merge of a run's parts: `URL DAY PART…`. No ledger, no proof, no retry: only the fast SQL."""

import sys
import tempfile

import polars as pl
from sqlalchemy import make_url

url, day, parts = make_url(sys.argv[1]), sys.argv[2], sys.argv[3:]
rows = pl.concat([pl.read_parquet(part) for part in parts]).with_columns(day=pl.lit(day))
if url.get_backend_name() == "postgresql":
    import psycopg

    with psycopg.connect(
        host=url.host, port=url.port, user=url.username, password=url.password, dbname=url.database
    ) as connection:
        connection.execute(
            "CREATE TEMPORARY TABLE incoming (user_id bigint, day date, revenue numeric, purchases bigint)"
        )
        with connection.cursor().copy(
            "COPY incoming (user_id, revenue, purchases, day) FROM STDIN (FORMAT csv)"
        ) as copy:
            copy.write(rows.write_csv(include_header=False).encode())
        connection.execute("ANALYZE incoming")
        connection.execute(
            "DELETE FROM revenue t WHERE day = %s AND NOT EXISTS (SELECT FROM incoming i WHERE i.user_id = t.user_id)",
            [day],
        )
        connection.execute(
            "INSERT INTO revenue (user_id, day, revenue, purchases) SELECT user_id, day, revenue, purchases FROM incoming"
            " ON CONFLICT (day, user_id) DO UPDATE SET revenue = EXCLUDED.revenue, purchases = EXCLUDED.purchases"
            " WHERE (revenue.revenue, revenue.purchases) IS DISTINCT FROM (EXCLUDED.revenue, EXCLUDED.purchases)"
        )
        connection.commit()
else:
    import pymysql

    connection = pymysql.connect(
        host=url.host,
        port=url.port,
        user=url.username,
        password=url.password or "",
        database=url.database,
        local_infile=True,
    )
    with connection.cursor() as cursor, tempfile.NamedTemporaryFile("wb") as file:
        rows.write_csv(file.name, include_header=False)
        cursor.execute(
            "CREATE TEMPORARY TABLE incoming (user_id BIGINT PRIMARY KEY, revenue DECIMAL(28,2), purchases BIGINT, day DATE)"
        )
        cursor.execute(
            f"LOAD DATA LOCAL INFILE '{file.name}' INTO TABLE incoming FIELDS TERMINATED BY ','"
            " (user_id, revenue, purchases, day)"
        )
        cursor.execute(
            "DELETE t FROM revenue t LEFT JOIN incoming i ON i.user_id = t.user_id WHERE t.day = %s AND i.user_id IS NULL",
            [day],
        )
        cursor.execute(
            "INSERT INTO revenue (user_id, day, revenue, purchases) SELECT user_id, day, revenue, purchases FROM incoming"
            " ON DUPLICATE KEY UPDATE revenue = VALUES(revenue), purchases = VALUES(purchases)"
        )
    connection.commit()
