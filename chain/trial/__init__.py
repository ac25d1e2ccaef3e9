"""A transform tried on one stored shard; nothing is written.

`shard.py` runs it, `view.py` shows what came out. May import the processor and `chain.day`'s look at what is stored.
"""
