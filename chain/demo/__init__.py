"""The demo: a shop with the same rows everywhere.

On every machine and in every database. `rows.py` are the rows, `shop.py` fills a database, `pipeline.py` writes the
files, `on_server.py` is the demo in a database of the user's. May import `staging`, and of the loader what opens a
database.
"""
