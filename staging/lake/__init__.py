"""Reads files of others where they lie.

A bucket's prefix or a folder that nothing is ever written into. Names are taken as they are, even if Penstock would not
give them; errors speak of the source. May import the storage adapters and staging's errors.
"""
