"""SQLite as the target, by Python's own module.

`database.py` is the port's adapter; catalogue, errors and SQL have a file each.
May import the loader's port and sqlite3; no other adapter.
"""
