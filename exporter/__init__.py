"""Database to shards and manifest, in one gentle read.

`export_day.py` has the job's steps; `port/` is what it asks of a source. May import `staging` and `databases`; no job.
"""
