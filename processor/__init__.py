"""One Cloud Run Job task: the shards of its index to parts.

`transform.py` is what an author writes against. May import `staging`; no job, no `databases`, no driver.
"""
