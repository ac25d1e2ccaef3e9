"""Keeps days as the source has them.

What is missing is made, and what changed is read again.

May import `chain.changed`, `chain.day`, `chain.diff`, `chain.range` and `chain.views`.
"""
