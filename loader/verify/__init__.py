"""Proves that everything behind a loaded day agrees.

It reads all of it back. Target, ledger, parts, receipts, shards: each against the next, nothing is written. May import
everything of the loader but the load itself.
"""
