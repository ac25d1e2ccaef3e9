"""What a load needs of a target database.

The port, its SQL, the ledger, and the preflight. Values are checked against the target's columns before a row is
written. May import `staging`; no driver and no adapter.
"""
