"""Fetches parts one after the other, proves and reads them.

Each whole object is proven before a byte of it is parsed. The next part is fetched while the one before is loaded: two
parts are on disk at most, and in memory while the last rows of one are loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from staging.documents.manifest import ShardFile
from staging.errors import IntegrityError
from staging.lake.open import download_file
from staging.polars_errors import POLARS_ERRORS
from staging.process.cancel import Cancel
from staging.process.digest_beside import DigestBeside
from staging.store import Store


def fetch_objects(store: Store, files: Sequence[ShardFile], cancel: Cancel) -> Iterator[tuple[ShardFile, Path]]:
    """Yield each object as a local file, proven whole.

    It is exactly what was written, and is deleted when the next one is asked for. IntegrityError when size, CRC32C or
    SHA-256 differ or the generation is gone.
    """
    with TemporaryDirectory(prefix="penstock-loader-") as folder, ThreadPoolExecutor(1) as pool:
        paths = [Path(folder) / str(number) for number in range(len(files))]
        ahead = [pool.submit(_fetch, store, file, path) for file, path in zip(files[:1], paths[:1], strict=True)]
        for number, file in enumerate(files):
            ahead.pop().result()
            cancel.check()
            if number + 1 < len(files):
                ahead.append(pool.submit(_fetch, store, files[number + 1], paths[number + 1]))
            yield file, paths[number]
            paths[number].unlink()


def read_part(file: ShardFile, path: Path, schema: pl.Schema, key: Sequence[str]) -> pl.DataFrame:
    """Return the rows of a fetched part, columns as in `schema`.

    IntegrityError when columns or types are not as promised, or a column of the key is NULL.
    """
    try:
        rows = pl.read_parquet(path, glob=False)
    except (*POLARS_ERRORS, OSError) as exc:
        raise IntegrityError(
            f"{file.name} is no Parquet file.", why=str(exc), fix="Nothing was loaded. A person must look."
        ) from exc
    if dict(rows.schema) != dict(schema):
        raise IntegrityError(
            f"{file.name} has other columns than its receipt says.",
            why=f"It has {_shown(rows.schema)}; the receipt says {_shown(schema)}.",
            fix="Nothing was loaded. A person must look.",
        )
    rows = rows.select(list(schema))
    if missing := [column for column in key if rows.get_column(column).null_count()]:
        raise IntegrityError(
            f"{file.name} has rows without a key.", why=f"{missing[0]} is NULL.", fix="Look at the transform."
        )
    return rows


def _fetch(store: Store, file: ShardFile, path: Path) -> None:
    with DigestBeside() as digest:
        info = download_file(store, file.name, path, generation=file.generation, digest=digest)
        sha256 = digest.hexdigest()
    found = (path.stat().st_size, info.size_bytes, info.crc32c, sha256)
    if found != (file.size_bytes, file.size_bytes, file.crc32c, file.sha256):
        raise IntegrityError(
            f"{file.name} is not what was written.",
            why=f"{file.size_bytes} bytes with SHA-256 {file.sha256} were written; {found[0]} with {sha256} are there.",
            fix="Nothing was loaded. Process the day again, or export it again where a shard is damaged.",
        )


def _shown(schema: pl.Schema) -> str:
    return ", ".join(f"{name} {dtype}" for name, dtype in schema.items())
