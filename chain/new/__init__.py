"""Writes a first pipeline file from what a table looks like.

`exporter.inspect.reflect` asks the database's catalogue, `propose.py` decides, `text.py` writes.
May import the exporter's looks at a source, and `staging`.
"""
