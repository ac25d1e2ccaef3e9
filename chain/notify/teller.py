"""Decides what a webhook is sent.

It is about the days that a command worked on, and sent when the command has ended.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from chain.day.report import Report
from chain.history.day import is_loaded, read_past_day
from chain.notify.notice import DayNews, Notice, choose_shape, describe_changes, describe_load, to_payload
from chain.notify.post import post_json
from staging.config.notify import Event
from staging.config.pipeline import Pipeline
from staging.config.secret_url import look_up_in
from staging.documents.told import Troubles, change_told
from staging.errors import ExitCode, HeldError, InputError, InterruptedRunError, PenstockError
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.finding import Finding, warn, well
from staging.redaction import redact, remember_secret_address
from staging.store import Store

_TROUBLE: tuple[Event, ...] = ("failure", "late")


def _say_on_stderr(text: str) -> None:
    print(redact(text), file=sys.stderr)


@dataclass(slots=True)
class Teller:
    """Collects the news of days, and posts a notice each event.

    From any thread; nothing without `notify.url`.
    """

    pipeline: Pipeline
    environ: Mapping[str, str]
    say: Callable[[str], None] = _say_on_stderr
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _news: dict[Event, list[DayNews]] = field(default_factory=lambda: defaultdict(list))
    _done: list[date] = field(default_factory=list)

    @property
    def is_silent(self) -> bool:
        """Whether there is nobody to notify."""
        return self.pipeline.notify.url is None

    def was_loaded(self, store: Store, names: DayNames) -> bool:
        """Return whether the day is loaded already.

        Asked before a run begins, and only if somebody is notified.
        """
        if self.is_silent or store.find(names.head()) is None:
            return False
        try:
            return is_loaded(read_past_day(store, names, now=self.now()))
        except PenstockError as error:
            self.say(f"warning: whether the day was loaded before is not known: {error.what}")
            return False

    def note_done(self, report: Report, *, was_loaded: bool) -> None:
        """Note a day that is done.

        It may have recovered or changed.
        """
        self._done.append(report.day)
        load = describe_load(report.rows_loaded, report.totals["loaded"])
        changes = describe_changes(report.inserted, report.updated, report.deleted)
        news = DayNews(
            day=report.day,
            what=f"Loaded: {load}.",
            run_id=report.run_id,
            rows=report.rows_loaded,
            totals=report.totals["loaded"],
            inserted=report.inserted,
            updated=report.updated,
            deleted=report.deleted,
        )
        self._news["recovered"].append(news)
        if was_loaded and changes:
            changed = f"It was loaded before, and is now {load}: {changes}."
            self._news["changed_days"].append(replace(news, what=changed))

    def note_failed(self, day: date, error: BaseException) -> None:
        """Note a day that failed.

        Not one that was stopped, or that somebody else holds, who reports it.
        """
        if isinstance(error, HeldError | InterruptedRunError) or not isinstance(error, Exception):
            return
        if isinstance(error, PenstockError):
            what, why, fix = error.what, error.why, error.fix.partition("\n  log: ")[0]
        else:
            what, why, fix = f"{type(error).__name__}: this is a bug in Penstock.", "", "Look into the log."
        code = int(error.exit_code) if isinstance(error, PenstockError) else 1
        self._news["failure"].append(DayNews(day, redact(what), redact(why), redact(fix), code))

    def note_late(self, day: date, error: PenstockError) -> None:
        """Note a day that should be loaded and is not."""
        self._news["late"].append(DayNews(day, error.what, error.why, error.fix, int(error.exit_code)))

    def tell_of(self, failed: Iterable[tuple[date, PenstockError]]) -> None:
        """Note the days that failed, and post the news of all."""
        for day, error in failed:
            self.note_failed(day, error)
        self.tell()

    def tell(self) -> None:
        """Post the news.

        Nothing that goes wrong leaves this method.
        """
        if self.is_silent or not any(self._news.values()):
            return
        try:
            address = _look_up(self.pipeline, self.environ)
        except PenstockError as error:
            self.say(f"warning: nobody was told what became of the run: {error.what} {error.fix}".strip())
            return
        before = self._remember()
        for event, news in self._news.items():
            left = tuple(each for each in news if _is_news(event, each, before))
            if left and event in self.pipeline.notify.on:
                self._post(Notice(event, self.pipeline.name, left, self.now()), address)

    def _post(self, notice: Notice, address: str) -> None:
        try:
            post_json(address, to_payload(notice, choose_shape(self.pipeline.notify.shape, address)))
        except PenstockError as error:
            self.say(f"warning: nobody was told of {notice.event!r}: {error.what} {error.why}")

    def _remember(self) -> Troubles:
        """Return the days that were in trouble before, and write those that are now."""
        before: Troubles = {}

        def change(known: Troubles) -> Troubles:
            before.clear()
            before.update(known)
            left = {day: kinds for day, kinds in known.items() if day not in self._done}
            for kind in _TROUBLE:
                for news in self._news.get(kind, ()):
                    left[news.day] = tuple(dict.fromkeys([*left.get(news.day, ()), kind]))
            return left

        try:
            with open_store(self.pipeline.staging.url) as store:
                change_told(store, self.pipeline.name, change)
        except PenstockError as error:
            self.say(f"warning: what was told is not remembered: {error.what}")
        return before


@contextmanager
def telling(teller: Teller, day: date) -> Iterator[Teller]:
    """Report the day when the block has ended.

    However it did.
    """
    try:
        yield teller
    except BaseException as error:
        teller.note_failed(day, error)
        teller.tell()
        raise
    teller.tell()


def examine_hook(pipeline: Pipeline, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the findings about the webhook, if there is one.

    Whether it is known, and its shape.
    """
    if pipeline.notify.url is None:
        return
    try:
        shape = choose_shape(pipeline.notify.shape, _look_up(pipeline, environ))
    except PenstockError as error:
        yield warn("notify", f"Nobody can be told: {error.what}", error.fix)
        return
    yield well("notify", f"a webhook is told of {', '.join(pipeline.notify.on)}, in the shape {shape}")


def _is_news(event: Event, news: DayNews, before: Troubles) -> bool:
    """Lateness is reported once, and so is a failure that may pass and is tried again; a day in trouble recovers."""
    known = before.get(news.day, ())
    if event == "late" or (event == "failure" and news.exit_code == ExitCode.UNAVAILABLE):
        return event not in known
    return event != "recovered" or bool(known)


def _look_up(pipeline: Pipeline, environ: Mapping[str, str]) -> str:
    reference = str(pipeline.notify.url)
    address = look_up_in(environ)(reference)
    if not address.startswith(("https://", "http://")):
        raise InputError("`notify.url` holds no address of a webhook.", fix="It should begin with https://.")
    return remember_secret_address(address)
