"""Names the extra that a missing library belongs to.

It is not installed because its extra was not asked for.
"""

from __future__ import annotations

import re

from staging.errors import InputError
from staging.version import DISTRIBUTION

# As in pyproject.toml, by the module's top name.
EXTRAS = {
    "sqlalchemy": "exporter` or `loader",
    "psycopg": "postgres",
    "adbc_driver_postgresql": "postgres",
    "pymysql": "mysql",
    "cryptography": "mysql",
    "adbc_driver_sqlite": "sqlite",
    "adbc_driver_manager": "postgres` or `sqlite",
    "pyarrow": "parquet",
    "rich": "chain",
    "matplotlib": "report",
    "openlineage": "openlineage",
    "opentelemetry.sdk": "otel",
    "opentelemetry.exporter.otlp.proto.http": "otel",
    "opentelemetry.exporter.otlp.proto.grpc": "otel",
    "grpc": "emulator",
    "google.cloud.run_v2": "emulator",
    "h11": "emulator",
    "hpack": "emulator",
}


def missing_extra(error: ImportError) -> InputError | None:
    """Return what to say of a module that an extra brings.

    None for any other, which is a bug.
    """
    name = _module_of(error)
    found = next((extra for module, extra in EXTRAS.items() if name == module or name.startswith(f"{module}.")), None)
    if found is None:
        return None
    return InputError(
        f"The library {name.partition('.')[0]} is not installed here.",
        why=f"There is no module {name}.",
        fix=f"Install {DISTRIBUTION} with the extra `{found}`, in the way in which it was installed.",
    )


def _module_of(error: ImportError) -> str:
    """Return what was not found: if other packages share its namespace, Python names only the namespace."""
    name = error.name or ""
    missed = re.match(r"cannot import name '(\w+)'", str(error))
    return f"{name}.{missed[1]}" if missed and name == "google.cloud" else name
