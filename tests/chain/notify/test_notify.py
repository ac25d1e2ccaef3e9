"""What a webhook is told, how often, and that nothing of it changes a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chain.day.report import Report
from chain.jobs.cloud_settings import plan_settings
from chain.jobs.environment import plan_environments
from chain.notify.notice import DayNews, Notice, choose_shape, to_payload
from chain.notify.post import post_json
from chain.notify.teller import Teller, examine_hook, telling
from staging.config.file import load_pipeline
from staging.config.pipeline import Pipeline
from staging.errors import HeldError, InputError, InterruptedRunError, LateError, UnavailableError
from staging.folder.store import open_folder_store
from staging.names import DayNames
from staging.redaction import redact
from tests.chain.history.past import load
from tests.chain.notify.hook import SECRET, Hook, webhook

DAY = date(2026, 11, 14)
AT = datetime(2026, 11, 15, 2, 15, tzinfo=UTC)
FAILED = InputError("Row 7 is odd.", why="It has no amount.", fix="Look at it.\n  log: /logs/x.log")


@pytest.fixture
def hook() -> Iterator[Hook]:
    with webhook() as found:
        yield found


def pipeline(tmp_path: Path, notify: str) -> Pipeline:
    path = tmp_path / "p.toml"
    path.write_text(
        f"""
name = "daily_revenue"
[source]
url = "sqlite:///x.db"
table = "purchases"
key = "user_id"
time = "at"
columns = ["amount"]
timezone = "UTC"
[staging]
url = "{(tmp_path / "staging").as_uri()}"
[target]
url = "sqlite:///x.db"
table = "revenue"
[notify]
{notify}
"""
    )
    return load_pipeline(path, environ={})


def teller(tmp_path: Path, hook: Hook, notify: str = "") -> tuple[Teller, list[str]]:
    said: list[str] = []
    found = pipeline(tmp_path, f'url = "env:HOOK"\n{notify}')
    return Teller(found, {"HOOK": hook.url}, said.append, lambda: AT), said


def a_report(day: date = DAY, *, inserted: int = 0, updated: int = 0, deleted: int = 0) -> Report:
    return Report(
        run_id="r01",
        export_id="e01",
        pipeline="daily_revenue",
        day=day,
        status="done",
        rows_exported=9,
        rows_processed=3,
        rows_set_aside=0,
        rows_loaded=3,
        totals={"exported": {}, "loaded": {"revenue": "1234.50"}},
        conserved=(),
        shards=1,
        tasks=1,
        seconds=1.0,
        as_of=AT,
        complete=True,
        waited_seconds={},
        logs="",
        inserted=inserted,
        updated=updated,
        deleted=deleted,
    )


def test_a_failure_is_told_with_what_why_and_what_to_do(tmp_path: Path, hook: Hook) -> None:
    told, said = teller(tmp_path, hook)
    with pytest.raises(InputError), telling(told, DAY):
        raise FAILED
    (request,) = hook.requests
    assert (request["event"], request["pipeline"], request["format"]) == ("failure", "daily_revenue", 1)
    (day,) = request["days"]
    assert (day["day"], day["what"], day["why"], day["fix"]) == (
        "2026-11-14",
        "Row 7 is odd.",
        "It has no amount.",
        "Look at it.",
    )
    assert day["exit_code"] == 10
    assert "daily_revenue 2026-11-14 failed\nRow 7 is odd." in request["text"]
    assert said == []


@pytest.mark.parametrize(
    "error", [InterruptedRunError("Stopped on request."), HeldError("It is held."), KeyboardInterrupt()]
)
def test_a_day_that_was_stopped_or_is_somebody_elses_is_no_failure(
    tmp_path: Path, hook: Hook, error: BaseException
) -> None:
    told, _ = teller(tmp_path, hook)
    with pytest.raises(type(error)), telling(told, DAY):
        raise error
    assert hook.requests == []


def test_a_bug_is_a_failure_and_shows_no_value(tmp_path: Path, hook: Hook) -> None:
    told, _ = teller(tmp_path, hook)
    with pytest.raises(ZeroDivisionError), telling(told, DAY):
        raise ZeroDivisionError("canary")
    assert hook.requests[0]["days"][0]["exit_code"] == 1
    assert "canary" not in json.dumps(hook.requests)


def test_only_what_was_in_trouble_recovers_and_only_once(tmp_path: Path, hook: Hook) -> None:
    (tmp_path / "staging").mkdir()
    told, _ = teller(tmp_path, hook)
    told.tell_of([(DAY, FAILED)])
    for _ in range(2):
        told, _ = teller(tmp_path, hook)
        told.note_done(a_report(inserted=3), was_loaded=False)
        told.note_done(a_report(DAY + timedelta(days=1), inserted=3), was_loaded=False)
        told.tell()
    assert hook.events() == ["failure", "recovered"]
    assert [day["day"] for day in hook.requests[1]["days"]] == ["2026-11-14"]
    assert "3 rows, revenue 1,234.50" in hook.requests[1]["text"]


def test_what_is_tried_again_and_again_is_told_once(tmp_path: Path, hook: Hook) -> None:
    for error in (UnavailableError("The bucket is away."), UnavailableError("It still is."), FAILED, FAILED):
        told, _ = teller(tmp_path, hook)
        told.tell_of([(DAY, error)])
    assert [request["days"][0]["exit_code"] for request in hook.requests] == [20, 10, 10]


def test_a_late_day_is_told_once_until_it_has_recovered(tmp_path: Path, hook: Hook) -> None:
    for _ in range(3):
        told, _ = teller(tmp_path, hook)
        told.note_late(DAY, LateError("daily_revenue 2026-11-14 is late.", why="It was never run."))
        told.tell()
    told, _ = teller(tmp_path, hook)
    told.note_done(a_report(inserted=3), was_loaded=False)
    told.tell()
    assert hook.events() == ["late", "recovered"]


def test_a_day_that_was_loaded_before_and_is_another_now_has_changed(tmp_path: Path, hook: Hook) -> None:
    store = open_folder_store((tmp_path / "staging").as_uri())
    told, _ = teller(tmp_path, hook)
    assert not told.was_loaded(store, DayNames("daily_revenue", DAY))
    load(store, DAY, "r00")
    assert told.was_loaded(store, DayNames("daily_revenue", DAY))
    told.note_done(a_report(updated=2, deleted=1), was_loaded=True)
    told.note_done(a_report(DAY + timedelta(days=1), inserted=3), was_loaded=False)  # its first load
    told.note_done(a_report(DAY + timedelta(days=2)), was_loaded=True)  # the same as it was
    told.tell()
    assert hook.events() == ["changed_days"]
    (day,) = hook.requests[0]["days"]
    assert (day["updated"], day["deleted"], day["totals"]) == (2, 1, {"revenue": "1234.50"})
    assert "2 changed, 1 deleted" in hook.requests[0]["text"]


def test_only_events_that_are_asked_for_are_told(tmp_path: Path, hook: Hook) -> None:
    told, _ = teller(tmp_path, hook, 'on = ["recovered"]')
    told.tell_of([(DAY, FAILED)])
    told, _ = teller(tmp_path, hook, 'on = ["recovered"]')
    told.note_done(a_report(), was_loaded=False)
    told.tell()
    assert hook.events() == ["recovered"]


def test_many_days_are_one_notice(tmp_path: Path, hook: Hook) -> None:
    told, _ = teller(tmp_path, hook)
    told.tell_of([(DAY + timedelta(days=number), FAILED) for number in range(30)])
    (request,) = hook.requests
    assert len(request["days"]) == 30
    assert request["text"].splitlines()[0] == "daily_revenue failed: 30 days"
    assert request["text"].splitlines()[-1] == "and 20 more days"


@pytest.mark.parametrize("fault", ["status", "nobody", "unset", "no address"])
def test_a_hook_that_can_not_be_told_is_said_and_changes_nothing(tmp_path: Path, hook: Hook, fault: str) -> None:
    told, said = teller(tmp_path, hook)
    hook.answers = [404]
    if fault != "status":
        environ = {"nobody": {"HOOK": f"http://127.0.0.1:1/{SECRET}"}, "unset": {}, "no address": {"HOOK": SECRET}}[
            fault
        ]
        told = replace(told, environ=environ)
    told._news["failure"].append(DayNews(DAY, "It failed."))
    if fault == "nobody":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("chain.notify.post._ATTEMPTS", 1)
            told.tell()
    else:
        told.tell()
    assert len(said) == 1
    assert said[0].startswith("warning: nobody was told")
    assert SECRET not in redact(said[0])


def test_posting_is_tried_again_where_that_may_help(hook: Hook) -> None:
    slept: list[float] = []
    hook.answers = [503, (429, {"Retry-After": "3600"}), 200]
    post_json(hook.url, {"event": "x"}, sleep=slept.append)
    assert len(hook.requests) == 3
    assert slept == [0.5, 5.0]  # nobody is waited for an hour

    hook.requests.clear()
    hook.answers = [500]
    with pytest.raises(UnavailableError) as failed:
        post_json(hook.url, {"event": "x"}, sleep=slept.append)
    assert len(hook.requests) == 4
    assert failed.value.why == "It answered 500."
    assert SECRET not in str(failed.value)


@pytest.mark.parametrize("answer", [400, 404, (302, {"Location": "/elsewhere"}), (307, {"Location": "/elsewhere"})])
def test_an_answer_that_stays_the_same_is_not_asked_for_again_and_nothing_is_sent_elsewhere(
    hook: Hook, answer: Any
) -> None:
    hook.answers = [answer]
    with pytest.raises(UnavailableError):
        post_json(hook.url, {"event": "x"}, sleep=lambda _: None)
    assert len(hook.paths) == 1


def test_posting_ends_when_patience_does(hook: Hook) -> None:
    seconds = iter(range(0, 1000, 20))
    hook.answers = [503]
    with pytest.raises(UnavailableError):
        post_json(hook.url, {}, sleep=lambda _: None, clock=lambda: float(next(seconds)))
    assert len(hook.requests) < 4


def test_each_chat_service_gets_its_own_shape() -> None:
    notice = Notice("failure", "daily_revenue", (DayNews(DAY, "1 < 2 & 3 > 2"),), AT)
    assert choose_shape("auto", "https://hooks.slack.com/services/T/B/X") == "slack"
    assert choose_shape("auto", "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t") == "google_chat"
    assert choose_shape("auto", "https://hooks.slack.com.example.org/x") == "json"
    assert choose_shape("json", "https://hooks.slack.com/services/T/B/X") == "json"
    assert to_payload(notice, "slack") == {"text": "daily_revenue 2026-11-14 failed\n1 &lt; 2 &amp; 3 &gt; 2"}
    assert to_payload(notice, "google_chat") == {"text": "daily_revenue 2026-11-14 failed\n1 < 2 & 3 > 2"}
    assert to_payload(notice, "json")["days"][0]["what"] == "1 < 2 & 3 > 2"


def test_an_address_shows_itself_nowhere_and_reaches_no_job(tmp_path: Path, hook: Hook) -> None:
    found = pipeline(tmp_path, f'url = "{hook.url}"')
    told = Teller(found, {}, lambda _: None)
    told.tell_of([(DAY, InputError(f"The file /services/{SECRET} is odd, and so is {SECRET}."))])
    assert SECRET not in json.dumps(hook.requests)
    assert SECRET not in repr(found)
    assert SECRET not in json.dumps(plan_settings(found, storage_is_local=True))

    found = pipeline(tmp_path, 'url = "env:HOOK"')
    environ = {"HOOK": hook.url, "PENSTOCK_NOTIFY__URL": hook.url}
    assert SECRET not in json.dumps(plan_environments(found, environ, tmp_path / "p.toml"))


def test_doctor_says_whether_somebody_is_told(tmp_path: Path, hook: Hook) -> None:
    found = pipeline(tmp_path, 'url = "env:HOOK"\non = ["failure", "late"]')
    (finding,) = examine_hook(found, {"HOOK": hook.url})
    assert (finding.level, finding.text) == ("ok", "a webhook is told of failure, late, in the shape json")
    (finding,) = examine_hook(found, {})
    assert finding.level == "warning"
    assert hook.requests == []
    assert list(examine_hook(pipeline(tmp_path, ""), {})) == []
