"""The `penstock` command line.

It starts the three jobs in order and watches them. May import the jobs and `staging`; none of them imports it.
"""
