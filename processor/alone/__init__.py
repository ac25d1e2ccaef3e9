"""A transform without a shard: planned on the day's columns.

It imports what a task plans with; nobody here fetches or writes.
"""
