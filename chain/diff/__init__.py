"""Compares two exports of a day, key by key.

Exact, and with the memory of a shard, not of a day.
May import `chain.day`, `chain.views` and the loader's parts.
"""
