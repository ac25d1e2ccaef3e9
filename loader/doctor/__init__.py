"""What `penstock doctor` looks at of a target: tables, columns, rights, and whether a stored day fits.

May import everything of the loader but the load itself.
"""
