"""The folder adapter of the storage port.

A bucket that is a local folder. Files are created whole, generations are kept beside them, and no path leaves the
folder. May import the port and staging's errors; no other adapter.
"""
