"""A target of Parquet files.

Parts, and one manifest a day that says which of them count. The manifest plays the ledger; it is replaced by
generation, which is lock and commit in one. May import the loader's port and `staging`; no driver.
"""
