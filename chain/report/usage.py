"""Measures a day's use of a cloud.

In the units that are paid for.
"""

from __future__ import annotations

from chain.report.gather import DayPage
from chain.views.figures import format_bytes, format_count, format_seconds
from staging.documents.manifest import Manifest


def describe_usage(page: DayPage, manifest: Manifest) -> list[tuple[str, str]]:
    """Return the amounts that have a price.

    Stored bytes, objects written, and seconds of tasks.
    """
    shard_files = [file for shard in manifest.shards for file in shard.files]
    parts = [receipt.part for receipt in page.receipts]
    aside = [receipt.quarantine for receipt in page.receipts if receipt.quarantine is not None]
    stored = sum(file.size_bytes for file in (*shard_files, *parts, *aside))
    documents = 4 + len(page.receipts)  # manifest, run, its export, the loader's note; a receipt a shard
    seconds = sum(
        (task.ended_at - task.began_at).total_seconds()
        for timeline in page.timelines
        for task in timeline.tasks
        if task.began_at is not None and task.ended_at is not None
    )
    return [
        ("stored", f"{format_bytes(stored)} in {format_count(len(shard_files) + len(parts) + len(aside))} files"),
        (
            "written",
            f"{format_count(len(shard_files) + len(parts) + len(aside) + documents)} objects (class A operations)",
        ),
        ("tasks ran", format_seconds(seconds) if seconds else ""),
        ("cost", page.cost.describe() if page.cost is not None else ""),
    ]
