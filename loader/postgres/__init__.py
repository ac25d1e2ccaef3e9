"""PostgreSQL as the target, by psycopg and COPY.

`database.py` is the port's adapter; catalogue and SQL have a file each.
May import the loader's port, `databases` and psycopg; no other adapter.
"""
