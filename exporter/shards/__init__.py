"""From decoded rows to committed shards: sink, control sums, row groups, manifest.

polars writes, our own code commits; nothing exists until every count agrees.
May import the exporter's port and `staging`; no adapter.
"""
