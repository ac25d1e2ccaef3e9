"""Which exports and runs nobody needs any more, and how they are deleted.

What makes the rest count goes first, so that a half of it is nothing.
May import `staging`; asks no database but for the ledger.
"""
