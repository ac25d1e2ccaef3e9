"""Compares stored exports with their source.

By count, sums and what the database knows of its rows (`exporter.port.same_rows`); no row is fetched.
"""
