"""What follows of a column's type as documents spell it.

Its decimal places, whether it has an exact sum, which function shards by it: without polars, which takes a command as
long to import as all of its own. May import staging's errors and the manifest's classes; no polars.
"""
