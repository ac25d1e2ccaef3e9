"""Parts to the target table, exactly once, proven to the cent.

`load_day.py` has the job's steps; `target/` is what it asks of a target. May import `staging` and `databases`; no job.
"""
