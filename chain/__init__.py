"""The `penstock` command line.

It starts the three jobs in order and watches them.
"""
