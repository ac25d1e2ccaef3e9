"""What is refused before a row is read.

Full scans, and columns that changed since the last export. `explain.py` asks each database how it would run the
statement. May import the exporter's port and each adapter's `explain`.
"""
