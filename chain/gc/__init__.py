"""Finds and deletes exports and runs that nobody needs.

The documents that make the rest count go first, so that a half counts as nothing. May import `staging`; asks no
database but for the ledger.
"""
