"""Says which stored days differ from the source now.

May import the exporter's comparing, `chain.diff`, `chain.range` and `chain.views`.
"""
