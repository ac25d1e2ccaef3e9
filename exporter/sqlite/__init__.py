"""Reads SQLite: one transaction is the snapshot.

Any value may lie in any column, so each is checked. `table.py` reads, `probes.py` looks for values that differ from
their declaration, `types.py` says what is carried, `explain.py` what a statement would read. May import the exporter's
port and SQLite's drivers; no other adapter.
"""
