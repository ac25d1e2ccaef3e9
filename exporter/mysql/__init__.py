"""Reads MySQL and MariaDB.

What a table is, how it is cut, read as text, and sealed. `source.py` is the snapshot, `slices.py` the sliced read; the
rest is one decision a file. May import the exporter's port, `databases` and pymysql; no other adapter.
"""
