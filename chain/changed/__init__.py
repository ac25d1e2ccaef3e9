"""Says which stored days are others in the source now.

May import the exporter's comparing, `chain.diff`, `chain.range` and `chain.views`.
"""
