"""Database to shards and manifest, in one gentle read.

`export_day.py` is the job's sentence; `port/` is what it asks of a source.
May import `staging` and `databases`; no job.
"""
