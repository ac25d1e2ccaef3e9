"""Sources that are no database.

Parquet files and Python functions, as Arrow batches. `read.py` brings them to shards; `register_files.py` takes files
as shards where they lie. May import port, shards and refuse, and pyarrow; no database.
"""
