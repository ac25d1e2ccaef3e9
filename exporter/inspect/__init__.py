"""Looks without reading rows.

What `plan`, `doctor` and `init` want to know of a source. Faults are collected, not raised at the first one. May import
everything of the exporter but the job itself.
"""
