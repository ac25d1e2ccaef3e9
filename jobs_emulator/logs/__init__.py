"""What attempts wrote.

Files, entries as Cloud Logging shows them, and reading them back. One file an attempt, byte for byte. May import names
and records.
"""
