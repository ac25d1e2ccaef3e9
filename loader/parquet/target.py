"""A target of Parquet files.

Parts, and a manifest that says which of them are the day. The manifest plays the ledger. It is replaced by the
generation that was read, so that of two loaders the second one reads again and meets the first one's fence; the same
refusals hold as for a table (`loader.refusals`). A reader that begins with the manifest sees the old day or the new
one. Parts are create-only under the run's id: nothing names what a failed load left.

Rights: to create and read objects below `target.parquet`, and to replace `day=…/manifest.json`
(`storage.objects.create`, `.get`, `.delete`, which Cloud Storage asks for a replacement).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from loader.doubt import check_doubt
from loader.load_once import Load, ledger_row, outcome_of
from loader.outcome import Outcome
from loader.parts import fetch_objects
from loader.refusals import Standing, check_may_load
from loader.restored_head import check_not_restored
from loader.stage_parts import PartReader, read_content
from loader.target.content import Content
from loader.target.difference import Change
from loader.target.ledger import LedgerRow
from staging.documents.manifest import ShardFile
from staging.documents.target_manifest import TargetManifest, target_manifest_name, target_part_name
from staging.dtypes import format_dtype
from staging.errors import GenerationChangedError, HeldError, IntegrityError, ObjectExistsError
from staging.key import spell_key
from staging.open_store import open_store
from staging.parquet_object import ParquetObject
from staging.store import Store

_ATTEMPTS = 50  # a manifest that changes more often than this in one load is no contention any more
_CHUNK_BYTES = 4 << 20
_OTHER_NAMES = 100


def load_files(url: str, load: Load) -> Outcome:
    """Make the day what the run's parts say.

    HeldError, InputError and IntegrityError leave it as it was.
    """
    day = load.inputs.names.day
    with open_store(url) as target:
        found = read_target_manifest(target, day)
        if found is None or found[0].run_id != load.inputs.record.run_id:
            check_not_restored(to_row(found, url), load.store, load.inputs.names)
            # Refusals come before the parts are read; they are checked again before the manifest is replaced.
            check_may_load(to_row(found, url), ledger_row(load, Content(0, {}, ""), "", url), load.permission)
        if not load.permission.change:
            check_doubt(load.pipeline, load.inputs, load.store, to_row(found, url), load.say)
        load.say(f"Reading {load.inputs.rows} rows of {len(load.inputs.receipts)} parts for {url}.")
        content = read_content(load.store, load.inputs, load.cancel)
        ours = ledger_row(load, content, "", url)
        copied: tuple[ShardFile, ...] | None = None
        proven: tuple[ShardFile, ...] | None = None
        for _ in range(_ATTEMPTS):
            found = read_target_manifest(target, day)
            before = to_row(found, url)
            standing = check_may_load(before, ours, load.permission)
            parts, change = _standing_parts(target, found, content, load, proven), Change(0, 0, 0)
            proven = parts or proven
            if standing is Standing.DONE_ALREADY and before is not None and parts and before.says_what(ours):
                return outcome_of(before, None)
            if parts is None:
                _report_damage(found, ours, load)
                parts = copied = copied or _write_parts(target, load)
                change = Change(inserted=content.rows, updated=0, deleted=before.loaded_rows if before else 0)
            load.cancel.check()
            if _replace(target, found, _describe(ours, load, parts)):
                return outcome_of(ours, change)
    raise HeldError(
        f"{target_manifest_name(day)} in {url} changes faster than it can be replaced.",
        why="Many loads of this day run at once.",
        fix="Leave one of them running.",
    )


def read_target_manifest(target: Store, day: date) -> tuple[TargetManifest, int] | None:
    """Return the day's manifest and its generation.

    None where the day was never loaded.
    """
    name = target_manifest_name(day)
    if target.find(name) is None:
        return None
    data, info = target.read(name)
    found = TargetManifest.parse(data, name=name)
    if found.day != day:
        raise IntegrityError(f"{name} is of {found.day}.", why="Somebody copied it there.", fix="Take it away.")
    return found, info.generation


def to_row(found: tuple[TargetManifest, int] | None, url: str) -> LedgerRow | None:
    """Return what the manifest says, as a ledger would."""
    if found is None:
        return None
    said = found[0]
    return LedgerRow(
        target_schema="",
        target_table=url,
        day=said.day,
        pipeline=said.pipeline,
        head_id=said.head_id,
        fence=said.fence,
        run_id=said.run_id,
        export_id=said.export_id,
        as_of=said.as_of,
        window_start=said.window_start,
        window_end=said.window_end,
        loaded_rows=said.rows,
        totals=said.totals,
        digest=said.digest,
        loaded_at=said.loaded_at,
    )


def _standing_parts(
    target: Store,
    found: tuple[TargetManifest, int] | None,
    content: Content,
    load: Load,
    proven: tuple[ShardFile, ...] | None,
) -> tuple[ShardFile, ...] | None:
    """Return the parts that already hold these very rows, so that an equal day writes none; else None.

    They are read whole: files may be gone or replaced, and a manifest edited. `proven` were read before.
    """
    if found is None or found[0].digest != content.digest:
        return None
    parts = found[0].parts
    if parts == proven:
        return parts
    try:
        return parts if read_content(target, load.inputs, load.cancel, parts) == content else None
    except IntegrityError:
        return None


def _report_damage(found: tuple[TargetManifest, int] | None, ours: LedgerRow, load: Load) -> None:
    """Say so if the manifest names this content, but files are missing or differ."""
    if found is not None and found[0].digest == ours.digest:
        load.say(
            f"warning: files of {ours.day} are gone or were changed since {found[0].run_id} loaded it; written anew."
        )


def _write_parts(target: Store, load: Load) -> tuple[ShardFile, ...]:
    """Write the run's parts, under other names where something else has theirs."""
    for again in range(_OTHER_NAMES):
        try:
            return (_write_merged if load.inputs.merge else _copy_parts)(target, load, again)
        except ObjectExistsError as taken:
            if again + 1 == _OTHER_NAMES:
                raise
            load.say(f"warning: {taken.what} Another name is taken.")
    raise AssertionError


def _copy_parts(target: Store, load: Load, again: int) -> tuple[ShardFile, ...]:
    inputs, copied = load.inputs, list[ShardFile]()
    files: Sequence[ShardFile] = [receipt.part for receipt in inputs.receipts]
    for receipt, (file, path) in zip(inputs.receipts, fetch_objects(load.store, files, load.cancel), strict=True):
        name = target_part_name(inputs.names.day, inputs.record.run_id, receipt.shard, again=again)
        copied.append(_copy(target, name, path, file.rows, load))
        load.progress.emit(rows=sum(part.rows for part in copied), expected_rows=inputs.rows)
    return tuple(copied)


def _write_merged(target: Store, load: Load, again: int) -> tuple[ShardFile, ...]:
    """Partial rows are merged first: there are as many files as the merge has pieces."""
    inputs, written = load.inputs, list[ShardFile]()
    with TemporaryDirectory(prefix="penstock-loader-") as folder:
        for number, rows in enumerate(PartReader(load.store, inputs, load.cancel).frames()):
            path = Path(folder) / "part.parquet"
            rows.write_parquet(path, compression="zstd", compression_level=1)
            name = target_part_name(inputs.names.day, inputs.record.run_id, number, again=again)
            written.append(_copy(target, name, path, rows.height, load))
    return tuple(written)


def _copy(target: Store, name: str, path: Path, rows: int, load: Load) -> ShardFile:
    made = ParquetObject(name, target.create_stream(name))
    try:
        with path.open("rb") as opened:
            while chunk := opened.read(_CHUNK_BYTES):
                load.cancel.check()
                made.write(chunk)
        return made.commit(rows)
    finally:
        made.abort()


def _describe(ours: LedgerRow, load: Load, parts: tuple[ShardFile, ...]) -> TargetManifest:
    inputs = load.inputs
    return TargetManifest(
        pipeline=ours.pipeline,
        day=ours.day,
        timezone=inputs.manifest.timezone,
        head_id=ours.head_id,
        fence=ours.fence,
        run_id=ours.run_id,
        export_id=ours.export_id,
        as_of=ours.as_of,
        window_start=ours.window_start,
        window_end=ours.window_end,
        key=spell_key(inputs.key),
        columns={name: format_dtype(dtype) for name, dtype in inputs.schema.items()},
        rows=ours.loaded_rows,
        totals=ours.totals,
        digest=ours.digest,
        loaded_at=ours.loaded_at,
        parts=parts,
        nonce=secrets.token_hex(8),
    )


def _replace(target: Store, found: tuple[TargetManifest, int] | None, wanted: TargetManifest) -> bool:
    """Write the manifest over the one that was read; False where somebody else was faster."""
    name = target_manifest_name(wanted.day)
    try:
        if found is None:
            target.create(name, wanted.to_bytes())
        else:
            target.replace(name, wanted.to_bytes(), generation=found[1])
    except (ObjectExistsError, GenerationChangedError):
        return False
    return True
