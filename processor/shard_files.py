"""Brings a shard's files here and proves what they are.

That they are the exported ones is proven before a byte of them is parsed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from processor.declaration import format_schema
from staging.documents.manifest import Shard, ShardFile
from staging.errors import IntegrityError
from staging.lake.open import download_file, is_elsewhere
from staging.polars_errors import POLARS_ERRORS
from staging.process.digest_beside import DigestBeside
from staging.store import ObjectInfo, Store

MAX_SHARD_ROWS = 2**32 - 2  # polars counts rows of a frame in 32 bits


def local_paths(shard: Shard, folder: Path, table: str = "") -> list[Path]:
    """Where the shard's files will lie.

    A shard without rows may have no file and gets an empty one. `table` is one beside the leading one.
    """
    stem = f"penstock-shard-{shard.shard:05d}-{table and f'{table}-'}"
    return [folder / f"{stem}{number}.parquet" for number in range(max(1, len(shard.files)))]


def fetch_shard(store: Store, shard: Shard, schema: pl.Schema, paths: Sequence[Path]) -> None:
    """Put the verified files at `paths`.

    IntegrityError when one is missing, of another generation, or not itself.
    """
    if not shard.files:
        pl.DataFrame(schema=schema).write_parquet(paths[0])
    for file, path in zip(shard.files, paths, strict=False):
        arriving = path.with_suffix(".arriving")
        try:
            with DigestBeside() as digest:
                info = download_file(store, file.name, arriving, generation=file.generation, digest=digest)
                _check_bytes(file, info, digest.hexdigest())
            _check_footer(file, arriving, schema)
            arriving.rename(path)
        finally:
            arriving.unlink(missing_ok=True)


def _check_bytes(file: ShardFile, info: ObjectInfo, sha256: str) -> None:
    found = {"bytes": info.size_bytes, "CRC32C": info.crc32c, "SHA-256": sha256}
    expected = {"bytes": file.size_bytes, "CRC32C": file.crc32c, "SHA-256": file.sha256}
    if found != expected:
        differing = [
            f"{name} {found[name]} instead of {expected[name]}" for name in found if found[name] != expected[name]
        ]
        raise IntegrityError(
            f"{file.name} is not what was exported.",
            why="; ".join(differing),
            fix="The object was damaged, cut or replaced: read the day again with penstock run --fresh-export.",
        )


def _check_footer(file: ShardFile, path: Path, schema: pl.Schema) -> None:
    """Compare columns and rows by the footer alone: a file that would unpack to more than it should is not unpacked."""
    try:
        footer = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        found, rows = footer.collect_schema(), footer.select(pl.len()).collect(engine="in-memory").item()
    except (*POLARS_ERRORS, OSError) as exc:
        raise _unlike(file, f"It is no Parquet file: {exc}") from exc
    if is_elsewhere(file.name):  # a foreign file has columns of its own, and any order
        found = pl.Schema({name: found[name] for name in schema if name in found})
    if list(found.items()) != list(schema.items()):
        raise _unlike(file, f"It has {format_schema(found)}; the manifest says {format_schema(schema)}.")
    if rows != file.rows or rows > MAX_SHARD_ROWS:
        raise _unlike(file, f"It has {rows} rows; the manifest says {file.rows}, and {MAX_SHARD_ROWS} are the most.")


def _unlike(file: ShardFile, why: str) -> IntegrityError:
    return IntegrityError(
        f"{file.name} is unlike its manifest.",
        why=why,
        fix="Read the day again with penstock run --fresh-export, and report it: the exporter wrote both.",
    )
