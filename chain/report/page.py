"""Writes the page of a day or of a range.

Proof, timeline, waits, shards, what changed, versions, cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

from chain.day.probed import tell_probed
from chain.day.report import describe_tables
from chain.report.charts import draw_per_day, draw_per_shard, draw_probed, draw_stages, draw_timeline, draw_waits
from chain.report.frame import format_chart, format_facts, format_page, format_section, format_table, format_words
from chain.report.gather import DayPage
from chain.report.usage import describe_usage
from chain.views.figures import format_bytes, format_count, format_money, format_seconds, plural
from chain.views.summary import tell_table
from staging.documents.manifest import Manifest, Probed
from staging.redaction import redact

_STAGES: tuple[Literal["export", "process", "load"], ...] = ("export", "process", "load")
_WHOLE_DAYS = 7
_SHOWN_ROWS = 200


def format_report(pipeline: str, pages: Sequence[DayPage], now: datetime) -> str:
    """Return one HTML document.

    A range begins with all its days; a short one goes on with each of them.
    """
    first, last = pages[0].day.day, pages[-1].day.day
    title = f"{pipeline} {first}" if len(pages) == 1 else f"{pipeline} {first} to {last}"
    sections = [_overview(pages)] if len(pages) > 1 else []
    if len(pages) <= _WHOLE_DAYS:
        sections += [each for page in pages for each in _day(page, alone=len(pages) == 1)]
    sections.append(format_words(f"Written on {now:%Y-%m-%d %H:%M:%S} UTC from the documents in the bucket."))
    return redact(format_page(title, sections))


def _overview(pages: Sequence[DayPage]) -> str:
    """A line a day, how long they took and how much they were."""
    ran = [page for page in pages if page.run is not None]
    days = [page.day.day.isoformat() for page in ran]
    seconds = [(stage, [page.run.seconds.get(stage, 0.0) for page in ran if page.run]) for stage in _STAGES]
    rows = [page.run.rows or 0 for page in ran if page.run]
    loaded = sum(1 for page in pages if page.loaded is not None)
    charts = [
        format_chart("How long it took", "by stage, each day.", draw_stages(days, seconds, "stages")),
        format_chart("How much it was", "rows in the target, each day.", draw_per_day(days, rows, "rows", "rows")),
    ]
    table = format_table("Days", _day_heads(pages), [_day_row(page) for page in pages], numbers_from=3)
    words = format_words(f"{loaded} of {plural(len(pages), 'day')} {'are' if loaded != 1 else 'is'} loaded.")
    return format_section("Days", f'{words}\n{table}\n<div class="charts">{"".join(charts)}</div>')


def _day_heads(pages: Sequence[DayPage]) -> list[str]:
    return ["day", "outcome", "proof", *_STAGES, "rows", _sum_name(pages)]


def _sum_name(pages: Sequence[DayPage]) -> str:
    return next((next(iter(page.loaded.totals), "") for page in pages if page.loaded), "")


def _day_row(page: DayPage) -> list[str]:
    run = page.run
    if run is None:
        return [page.day.day.isoformat(), "never run", *[""] * (len(_STAGES) + 3)]
    proof = "agrees" if page.is_proven else "" if page.loaded is None else "no sum is declared"
    stages = [format_seconds(run.seconds[stage]) if stage in run.seconds else "" for stage in _STAGES]
    rows = format_count(run.rows) if run.rows is not None else ""
    return [
        page.day.day.isoformat(),
        run.outcome,
        proof,
        *stages,
        rows,
        format_money(next(iter(run.totals.values()), "")),
    ]


def _day(page: DayPage, *, alone: bool) -> Iterator[str]:
    yield format_section(_title(page, "What became of it", alone=alone), _verdict(page))
    if page.manifest is not None:
        yield format_section(_title(page, "Proof", alone=alone), _proof(page, page.manifest))
    if charts := list(_charts(page)):
        yield format_section(_title(page, "How it went", alone=alone), f'<div class="charts">{"".join(charts)}</div>')
    if page.manifest is not None:
        yield format_section(_title(page, "What it is made of", alone=alone), _facts(page, page.manifest))


def _title(page: DayPage, text: str, *, alone: bool) -> str:
    return text if alone else f"{page.day.day}: {text[0].lower()}{text[1:]}"


def _verdict(page: DayPage) -> str:
    run = page.run
    if run is None:
        return format_words("No run has begun.")
    words = []
    if page.loaded is None:
        kind = "bad" if run.outcome == "failed" else ""
        words.append(format_words(f"Not loaded: the last run is {run.outcome}. {run.error}".strip(), kind))
    elif page.is_proven:
        words.append(format_words("Loaded. Nothing lost, nothing doubled: every sum agrees to the last digit.", "good"))
    else:
        words.append(format_words("Loaded. The transform declares no sum, so rows are counted and no sum is proven."))
    if (last := page.day.runs[-1]) is not run:
        words.append(format_words(f"A later run, {last.run_id}, is {last.outcome}. {last.error}".strip(), "bad"))
    took = sum(run.seconds.values())
    facts = [
        ("began", f"{run.began_at:%Y-%m-%d %H:%M:%S} UTC, by {run.by or 'somebody'}"),
        (
            "took",
            ", ".join([format_seconds(took), *(f"{each} {format_seconds(run.seconds[each])}" for each in run.seconds)]),
        ),
        ("run", f"{run.run_id}, {plural(len(page.day.runs), 'run')} of this day in all"),
        ("since the last export", page.changed or "there was none before"),
    ]
    return "\n".join([*words, format_facts(facts)])


def _proof(page: DayPage, manifest: Manifest) -> str:
    sums = page.conserved
    names = [each.source if each.source == each.output else f"{each.source} > {each.output}" for each in sums]
    aside = sum(receipt.rows_quarantined for receipt in page.receipts)
    shards, parts = plural(len(manifest.shards), "shard"), sum(each.rows_out for each in page.receipts)
    rows: list[tuple[str, int, list[str], str]] = [
        ("exported", manifest.rows, [each.exported for each in sums], "read from the source"),
        *((f"  {each.name}", each.rows, ["" for _ in sums], tell_table(each)) for each in describe_tables(manifest)),
        ("shards", manifest.rows, [each.shards for each in sums], f"{shards} on staging"),
        ("parts", parts, [each.parts for each in sums], "after the transform"),
        ("set aside", aside, [each.set_aside for each in sums], "quarantined"),
    ]
    if not aside:
        rows.pop()
    if page.loaded:
        rows.append(("target", page.loaded.rows, [each.target for each in sums], _changes(page)))
    cells = [[name, format_count(count), *map(format_money, money), what] for name, count, money, what in rows]
    table = format_table("Rows and sums on their way", ["", "rows", *names, ""], cells)
    reasons: dict[str, int] = {}
    for receipt in page.receipts:
        for reason, count in receipt.quarantine_reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
    listed = [[reason, format_count(count)] for reason, count in sorted(reasons.items(), key=lambda each: -each[1])]
    return table + (format_table("Set aside, by reason", ["reason", "rows"], listed[:_SHOWN_ROWS]) if listed else "")


def _changes(page: DayPage) -> str:
    note = page.loaded
    if note is None:
        return ""
    counts = {"inserted": note.inserted, "changed": note.updated, "deleted": note.deleted}
    return ", ".join(f"{format_count(number)} {what}" for what, number in counts.items() if number) or "nothing written"


def _charts(page: DayPage) -> Iterator[str]:
    name = f"d{page.day.day:%Y%m%d}"
    if any(timeline.tasks or timeline.attempts for timeline in page.timelines):
        yield _timeline(page, name)
    manifest = page.manifest
    if manifest is None:
        return
    waited = manifest.reading.waited_seconds
    if manifest.reading.waits:
        rows = [[reason.replace("_", " "), format_seconds(seconds)] for reason, seconds in waited.items()]
        svg = draw_waits(manifest.reading.waits, manifest.reading.waits_bin_seconds, f"{name}-waits")
        took = format_seconds(manifest.reading.seconds)
        words = f"{format_seconds(sum(waited.values()))} in all, while reading took {took}."
        yield format_chart("What reading waited for", words, svg, format_table("Waits", ["reason", "waited"], rows))
    if (probed := manifest.reading.probed) is not None and probed.windows:
        svg = draw_probed(probed, f"{name}-probe")
        yield format_chart("What the probe took", f"{tell_probed(probed)}.", svg, _probe_windows(probed))
    if manifest.shards:
        yield from _shards(manifest, name)


def _probe_windows(probed: Probed) -> str:
    rows = [
        [
            f"{window.at_seconds:.1f} s, {window.kind}",
            format_count(window.probes),
            f"{window.p50_milliseconds:.1f} ms",
            f"{window.p99_milliseconds:.1f} ms",
            f"{window.nice:g}",
        ]
        for window in probed.windows
    ]
    return format_table("Windows", ["from", "probes", "p50", "p99", "rest for each second"], rows)


def _timeline(page: DayPage, name: str) -> str:
    attempts = [(timeline, attempt) for timeline in page.timelines for attempt in timeline.attempts]
    retried = sum(task.retried for timeline in page.timelines for task in timeline.tasks)
    shown = [
        [f"{timeline.job}, task {task.task}", _clock(task.began_at), _clock(task.ended_at), str(task.retried + 1)]
        for timeline in page.timelines
        for task in timeline.tasks[:_SHOWN_ROWS]
    ]
    failed = [
        [
            f"{timeline.job}, task {each.task}, attempt {each.attempt + 1}",
            _clock(each.seen_at),
            each.message or str(each.exit_code),
        ]
        for timeline, each in attempts[:_SHOWN_ROWS]
    ]
    tables = format_table("Tasks", ["task", "began", "ended", "attempts"], shown)
    if failed:
        tables += format_table("Attempts that failed", ["attempt", "seen", "why"], failed, numbers_from=9)
    words = f"{plural(retried, 'attempt')} beyond the first ones." if retried else "every task at its first attempt."
    words += " A cross is an attempt that was seen to fail." if attempts else ""
    return format_chart("Tasks and attempts", words, draw_timeline(page.timelines, f"{name}-tasks"), tables)


def _shards(manifest: Manifest, name: str) -> Iterator[str]:
    rows = [shard.rows for shard in manifest.shards]
    sizes = [sum(file.size_bytes for file in shard.files) for shard in manifest.shards]
    listed = [
        [f"shard {shard.shard}", format_count(shard.rows), format_bytes(size)]
        for shard, size in zip(manifest.shards, sizes, strict=True)
    ][:_SHOWN_ROWS]
    table = format_table("Shards", ["shard", "rows", "bytes"], listed)
    least, most = format_count(min(rows)), format_count(max(rows))
    words = f"{least if least == most else f'{least} to {most}'} in {plural(len(rows), 'shard')}."
    yield format_chart("Rows per shard", words, draw_per_shard(rows, "rows", f"{name}-rows", colour=0), table)
    words = f"{format_bytes(sum(sizes))} in all, {format_bytes(max(sizes))} the largest."
    yield format_chart("Bytes per shard", words, draw_per_shard(sizes, "bytes", f"{name}-bytes", colour=2))


def _facts(page: DayPage, manifest: Manifest) -> str:
    source = manifest.source
    engines = sorted({receipt.engine for receipt in page.receipts})
    transforms = sorted({receipt.transform for receipt in page.receipts})
    codes = sorted({receipt.code[:12] for receipt in page.receipts if receipt.code})
    facts = [
        ("table", f"{source.table}, {source.dialect} {source.server_version}"),
        ("where", source.where or ""),
        (
            "window",
            f"{manifest.window_start:%Y-%m-%d %H:%M} to {manifest.window_end:%Y-%m-%d %H:%M} UTC ({manifest.timezone})",
        ),
        (
            "true of",
            f"{manifest.as_of:%Y-%m-%d %H:%M:%S} UTC" + ("" if _is_over(manifest) else "; the day was not over then"),
        ),
        ("read", f"{manifest.reading.mode}: {manifest.reading.why}"),
        ("export", manifest.export_id),
        ("transform", ", ".join(transforms)),
        ("its code", ", ".join(codes)),
        ("versions", ", ".join([f"Penstock {manifest.penstock_version}", manifest.reading.reader, *engines])),
        *describe_usage(page, manifest),
    ]
    return format_facts(facts)


def _is_over(manifest: Manifest) -> bool:
    return manifest.as_of >= manifest.window_end and not manifest.unfinished


def _clock(time: datetime | None) -> str:
    return f"{time:%H:%M:%S}" if time else ""
