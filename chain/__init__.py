"""Starts the three jobs in order and watches them; the `penstock` command line."""
