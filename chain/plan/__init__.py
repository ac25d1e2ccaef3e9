"""Plans what `penstock run` would do with a day.

What the bucket holds and what an export would read. Nothing is written and no row is read. May import the exporter's
looks and `chain.day`.
"""
