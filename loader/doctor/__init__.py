"""Checks a target for `penstock doctor`.

Tables, columns, rights, and whether a stored day fits. May import everything of the loader but the load itself.
"""
