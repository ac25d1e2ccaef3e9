"""Parts to the target table, exactly once, proven to the cent.

`load_day.py` is the job's sentence; `target/` is what it asks of a target.
May import `staging` and `databases`; no job.
"""
