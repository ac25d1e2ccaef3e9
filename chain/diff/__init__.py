"""Which keys differ between two exports of a day, and by how much.

Exact, and with the memory of a shard, not of a day.
May import `chain.day`, `chain.views` and the loader's parts.
"""
