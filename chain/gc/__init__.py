"""Finds and deletes exports and runs that nobody needs.

What makes the rest count goes first, so that a half of it is nothing.
May import `staging`; asks no database but for the ledger.
"""
