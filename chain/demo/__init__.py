"""The demo: a shop with the same rows everywhere.

On every machine and in every database. `rows.py` are the rows, `shop.py` fills a database, `pipeline.py` writes the
files. May import `staging`; no job.
"""
