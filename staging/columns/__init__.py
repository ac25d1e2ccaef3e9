"""What follows from a column's type as documents spell it.

Its decimal places, whether it has an exact sum, which function shards by it: without polars, whose import takes as long
as all of a command's own. May import staging's errors and the manifest's classes; no polars.
"""
