"""The JSON documents on the bucket.

Read strictly, written canonically, one reader for each. Heads, the pause switch, what was notified and the history's
years are replaced, by compare-and-swap; all others are created once. May import the storage port and staging's own
vocabulary; no adapter and no job.
"""
