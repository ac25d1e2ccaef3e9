"""Loads one of DuckDB's database extensions from its package."""

import importlib.util
from pathlib import Path

import duckdb


def connect_with(name: str) -> duckdb.DuckDBPyConnection:
    """Return a connection that has loaded `name`, such as postgres_scanner."""
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"duckdb_extension_{name}")
    package = Path(spec.origin).parent
    connection = duckdb.connect()
    connection.execute(f"LOAD '{next(package.glob(f'extensions/*/{name}.duckdb_extension*'))}'")
    return connection
