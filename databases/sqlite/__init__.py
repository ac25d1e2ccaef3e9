"""SQLite: what its result codes mean, and which file a URL names.

May import `staging` and what is common in `databases`; no other server's room.
"""
