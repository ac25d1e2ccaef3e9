"""Reads PostgreSQL.

What a table is, how it is cut, read by ADBC, and sealed. `source.py` is the snapshot, `slices.py` the sliced read; the
rest is one decision a file. May import the exporter's port, `databases` and PostgreSQL's drivers; no other adapter.
"""
