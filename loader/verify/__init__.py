"""Reads back everything that a loaded day rests on, and proves that it agrees.

Target, ledger, parts, receipts, shards: each against the next, nothing is written.
May import everything of the loader but the load itself.
"""
