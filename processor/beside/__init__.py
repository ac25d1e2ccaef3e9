"""Tables that were read at the same instant as the leading one.

What a transform gets of them, and how a shard's rows of them are brought here and proven. May import `staging` and the
processor's modules on shards.
"""
