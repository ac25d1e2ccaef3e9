"""The adapter on an emulator, over gRPC and REST: jobs are defined, executions started once, watched, cancelled."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from google.cloud import run_v2

import jobs_emulator
from chain.jobs import wait as waiting
from chain.jobs.cloudrun import retry as cloudrun_retry
from chain.jobs.cloudrun.jobs import CloudRunJobs, JobSettings, Polling, open_cloud_run_jobs
from chain.jobs.cloudrun.place import Place
from chain.jobs.errors import raise_failure
from chain.jobs.local.emulator_logs import EmulatorLogs
from chain.jobs.open import open_jobs
from chain.jobs.port import ExecutionState, Overrides, StartedExecution
from chain.jobs.wait import UnseenError, wait_execution
from jobs_emulator import Emulator
from staging.config.file import load_pipeline
from staging.errors import InputError, InterruptedRunError, PenstockError, UnavailableError
from staging.process.cancel import Cancel
from tests.chain.jobs.cloudrun.harness import a_pipeline, wait_until

pytestmark = pytest.mark.integration

IMAGES = """
[cloud.images]
exporter = "sh"
processor = "sh:2"
loader = "sh"
"""


class Cloud:
    """An emulator, and adapters on it as separate starters would have them."""

    def __init__(self, folder: Path, emulator: Emulator, transport: str) -> None:
        self.folder = folder
        self.emulator = emulator
        self.transport = transport
        self.ledger = folder / "ledger"
        self.ledger.touch()

    @contextmanager
    def starter(
        self, more: str = IMAGES, *, cancel: Cancel | None = None, settings: JobSettings | None = None
    ) -> Iterator[CloudRunJobs]:
        pipeline = a_pipeline(self.folder, f'[cloud]\ntransport = "{self.transport}"\n{more}')
        settings = settings or JobSettings(logs=EmulatorLogs(self.emulator.address), polling=Polling(0.02, 0.1))
        place = Place("acme", "europe-west1", self.emulator.address)
        with open_cloud_run_jobs(pipeline, place, cancel or Cancel(), settings) as jobs:
            yield jobs

    def script(self, text: str) -> tuple[str, ...]:
        return (f"echo $CLOUD_RUN_TASK_INDEX $CLOUD_RUN_TASK_ATTEMPT >> {self.ledger}; {text}",)

    def notes(self) -> list[tuple[int, ...]]:
        return [tuple(map(int, line.split())) for line in self.ledger.read_text().splitlines()]

    def executions(self, job: str) -> list[run_v2.Execution]:
        with jobs_emulator.executions_client(self.emulator.address) as client:
            return list(client.list_executions(parent=f"projects/acme/locations/europe-west1/jobs/{job}"))

    def stored(self, job: str) -> run_v2.Job:
        with jobs_emulator.jobs_client(self.emulator.address) as client:
            return client.get_job(name=f"projects/acme/locations/europe-west1/jobs/{job}")

    def write(self, job: str, definition: run_v2.Job) -> None:
        with jobs_emulator.jobs_client(self.emulator.address) as client:
            definition.name = f"projects/acme/locations/europe-west1/jobs/{job}"
            client.update_job(request={"job": definition, "allow_missing": True}).result()


@pytest.fixture(params=["grpc", "rest"])
def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cloud]:
    with jobs_emulator.start({"sh": ["/bin/sh", "-c"]}, slots=8, grace_seconds=0.5) as emulator:
        yield Cloud(tmp_path, emulator, request.param)


@pytest.fixture
def grpc_cloud(tmp_path: Path) -> Iterator[Cloud]:
    with jobs_emulator.start({"sh": ["/bin/sh", "-c"]}, slots=8, grace_seconds=0.5) as emulator:
        yield Cloud(tmp_path, emulator, "grpc")


def finish(jobs: CloudRunJobs, started: StartedExecution) -> ExecutionState:
    return wait_execution(jobs, started.execution, Cancel(), lambda state: None)


def test_a_job_is_created_run_with_its_overrides_and_left_alone_the_next_time(cloud: Cloud) -> None:
    with cloud.starter() as jobs:
        for run_id in ("run-1", "run-2"):
            overrides = Overrides(
                arguments=cloud.script('test "$MINE $0" = "yes x"'), environment={"MINE": "yes"}, task_count=3
            )
            overrides = Overrides((*overrides.arguments, "x"), overrides.environment, task_count=3, timeout_seconds=77)
            state = finish(jobs, jobs.start_execution("processor", run_id, overrides))
            assert (state.succeeded, state.finished, state.failures) == (3, True, ())
    assert sorted(cloud.notes()) == sorted([(0, 0), (1, 0), (2, 0)] * 2)
    assert cloud.stored("daily-revenue-processor").generation == 1
    execution = cloud.executions("daily-revenue-processor")[0]
    assert execution.template.timeout.seconds == 77
    told = {variable.name: variable.value for variable in execution.template.containers[0].env}
    assert (told["PENSTOCK_RUN_ID"], told["PENSTOCK_STEP"], told["MINE"]) == ("run-2", "processor", "yes")


def test_only_a_definition_that_differs_is_written(cloud: Cloud) -> None:
    def start(more: str, run_id: str, **plan: Any) -> int:
        with cloud.starter(more) as jobs:
            finish(jobs, jobs.start_execution("processor", run_id, Overrides(cloud.script(""), task_count=4, **plan)))
        return cloud.stored("daily-revenue-processor").generation

    assert start(IMAGES, "r1") == 1
    assert start(IMAGES, "r2", parallelism=2) == 2
    assert cloud.executions("daily-revenue-processor")[0].parallelism == 2
    assert start(IMAGES, "r3", parallelism=2, timeout_seconds=5) == 2
    assert start(IMAGES, "r4", parallelism=2, max_retries=1) == 3
    assert start(IMAGES + '[cloud.processor]\ncpu = "1"\nmemory = "0.5Gi"\n'.replace("0.5Gi", "512Mi"), "r5") == 4
    assert start(IMAGES.replace("sh:2", "sh:3") + "[cloud.processor]\n", "r6") == 5


def test_a_job_deployed_by_somebody_else_is_run_and_never_written(cloud: Cloud) -> None:
    none = "[cloud.processor]\njob = 'theirs'\n"
    with cloud.starter(none) as jobs, pytest.raises(InputError, match="There is no job theirs") as caught:
        jobs.start_execution("processor", "r", Overrides(()))
    assert "cloud.images.processor" in caught.value.fix
    container = run_v2.Container(image="sh", name="main")
    template = run_v2.ExecutionTemplate(parallelism=2, task_count=2, template={"containers": [container]})
    cloud.write("theirs", run_v2.Job(template=template))
    with cloud.starter(none) as jobs:
        overrides = Overrides(cloud.script(""), task_count=4, max_retries=9)
        assert finish(jobs, jobs.start_execution("processor", "r", overrides)).succeeded == 4
        with pytest.raises(InputError, match="runs 2 tasks at once, not 3") as caught:
            jobs.start_execution("processor", "r", Overrides((), task_count=4, parallelism=3))
    assert "--parallelism=3" in caught.value.fix
    assert cloud.stored("theirs").generation == 1


def test_a_job_of_another_pipeline_or_of_nobody_is_not_written_over(grpc_cloud: Cloud) -> None:
    container = run_v2.Container(image="sh")
    for labels, owner in (({}, "somebody else"), ({"penstock-pipeline": "other"}, "the pipeline other")):
        template = run_v2.ExecutionTemplate(template={"containers": [container]})
        grpc_cloud.write("daily-revenue-loader", run_v2.Job(labels=labels, template=template))
        before = grpc_cloud.stored("daily-revenue-loader")
        with grpc_cloud.starter() as jobs, pytest.raises(InputError, match=f"belongs to {owner}") as caught:
            jobs.start_execution("loader", "r", Overrides(()))
        assert "penstock-pipeline=daily_revenue" in caught.value.fix
        assert grpc_cloud.stored("daily-revenue-loader") == before


def test_an_image_that_is_not_there_is_named_and_is_enough_to_correct(cloud: Cloud) -> None:
    with cloud.starter(IMAGES.replace("sh:2", "shh")) as jobs:
        for _ in range(2):
            with pytest.raises(InputError, match="does not take the job daily-revenue-processor") as caught:
                jobs.start_execution("processor", "r", Overrides(()))
            assert "shh" in caught.value.why
    with cloud.starter() as jobs:
        assert finish(jobs, jobs.start_execution("processor", "r", Overrides(cloud.script("")))).succeeded == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [('project = "acme"\nregion = "r"\n', "acme"), ("[cloud.processor]\njob = 'x-y'\n", "x-y")],
)
def test_what_the_service_does_not_know_is_told_with_its_place(grpc_cloud: Cloud, more: str, words: str) -> None:
    with grpc_cloud.starter(more) as jobs, pytest.raises(InputError) as caught:
        jobs.start_execution("processor", "r", Overrides(()))
    assert words in str(caught.value)


def test_a_task_count_that_is_none_is_refused_with_the_services_own_words(cloud: Cloud) -> None:
    with cloud.starter() as jobs, pytest.raises(InputError, match="Could not start daily-revenue-processor") as caught:
        jobs.start_execution("processor", "r", Overrides((), task_count=10_001))
    assert "task_count" in caught.value.why


def test_twenty_starters_that_create_the_job_at_once_make_one_job_and_one_execution(cloud: Cloud) -> None:
    started: list[StartedExecution] = []
    with cloud.starter() as one, cloud.starter() as other:

        def start(jobs: CloudRunJobs) -> None:
            plan = Overrides(cloud.script("sleep 1"), parallelism=2, task_count=2)
            started.append(jobs.start_execution("processor", "run-1", plan))

        threads = [threading.Thread(target=start, args=(jobs,)) for jobs in (one, other) * 10]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(started) == 20
        assert len({each.execution for each in started}) == 1
        assert [each.continued for each in started].count(False) <= 1
        assert finish(one, StartedExecution(one.find_execution("processor", "run-1") or "")).finished
        state = finish(other, started[0])
    assert state.succeeded == 2
    counted = [each for each in cloud.executions("daily-revenue-processor") if each.succeeded_count == each.task_count]
    assert len(counted) == 1


def test_an_execution_under_way_is_continued_by_whoever_comes_later(cloud: Cloud) -> None:
    with cloud.starter() as jobs:
        first = jobs.start_execution("exporter", "run-1", Overrides(cloud.script("sleep 0.7")))
    with cloud.starter() as jobs:
        assert jobs.find_execution("exporter", "run-1") == first.execution
        second = jobs.start_execution("exporter", "run-1", Overrides(cloud.script("exit 1")))
        assert second == StartedExecution(first.execution, continued=True)
        elsewhere = jobs.start_execution("exporter", "run-2", Overrides(cloud.script("")))
        assert elsewhere.execution != first.execution
        assert finish(jobs, second).succeeded == 1
        again = jobs.start_execution("exporter", "run-1", Overrides(cloud.script("")))
        assert not again.continued
        assert finish(jobs, again).succeeded == 1
        assert jobs.find_execution("exporter", "run-1") == again.execution
        assert jobs.find_execution("exporter", "run-3") is None
        assert jobs.find_execution("loader", "run-1") is None


def test_a_started_execution_is_found_among_hundreds(grpc_cloud: Cloud) -> None:
    run_id = "20200101T000000Z-0123456789ab"
    with grpc_cloud.starter() as jobs:
        jobs.start_execution("loader", run_id, Overrides(("sleep 30",)))
        with jobs_emulator.jobs_client(grpc_cloud.emulator.address) as client:
            for _ in range(250):
                client.run_job(name="projects/acme/locations/europe-west1/jobs/daily-revenue-loader")
        assert jobs.start_execution("loader", run_id, Overrides(())).continued


def test_a_start_whose_reply_is_lost_is_found_by_its_token_and_not_repeated(cloud: Cloud) -> None:
    cloud.emulator.chaos(lost_run_replies=3)
    with cloud.starter() as jobs:
        for number in range(3):
            started = jobs.start_execution("processor", f"run-{number}", Overrides(cloud.script(""), task_count=2))
            assert not started.continued
            assert finish(jobs, started).succeeded == 2
    assert len(cloud.executions("daily-revenue-processor")) == 3
    assert len(cloud.notes()) == 6


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "INTERNAL", "DEADLINE_EXCEEDED", "UNKNOWN"])
def test_every_call_that_fails_once_and_may_pass_is_repeated(cloud: Cloud, code: str) -> None:
    cloud.emulator.chaos(unavailable_first=1, unavailable_code=code)
    with cloud.starter() as jobs:
        started = jobs.start_execution("processor", "run-1", Overrides(cloud.script("exit 3"), task_count=2))
        state = finish(jobs, started)
        assert [failure.exit_code for failure in state.failures] == [3, 3]
        long = jobs.start_execution("exporter", "run-1", Overrides(("sleep 100",)))
        cloud.emulator.chaos(unavailable_first=1, unavailable_code=code)
        jobs.cancel_execution(long.execution)
        assert finish(jobs, long).cancelled == 1
    cloud.emulator.chaos()
    assert len(cloud.executions("daily-revenue-processor")) == 1


@pytest.mark.parametrize("code", ["ABORTED", "ALREADY_EXISTS"])
def test_a_definition_that_somebody_else_writes_first_is_looked_at_again(cloud: Cloud, code: str) -> None:
    methods = ["Jobs.CreateJob", "Jobs.UpdateJob"]
    with cloud.starter() as jobs:
        for number, plan in enumerate([Overrides(("true",)), Overrides(("true",), max_retries=1)]):
            cloud.emulator.chaos(unavailable_first=2, unavailable_code=code, unavailable_methods=methods)
            assert finish(jobs, jobs.start_execution("loader", f"r{number}", plan)).succeeded == 1
    assert cloud.stored("daily-revenue-loader").generation == 2


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        ("RESOURCE_EXHAUSTED", UnavailableError, "quota"),
        ("UNAVAILABLE", UnavailableError, "Is the emulator running?"),
        ("PERMISSION_DENIED", InputError, "roles/run.developer"),
        ("UNAUTHENTICATED", InputError, "gcloud auth"),
    ],
)
def test_what_does_not_pass_ends_with_what_to_do(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, code: str, error: type[PenstockError], words: str
) -> None:
    monkeypatch.setattr(cloudrun_retry, "EMULATOR_PATIENCE_SECONDS", 1.0)
    cloud.emulator.chaos(unavailable_rate=1.0, unavailable_code=code, unavailable_methods=["Jobs.RunJob"])
    with cloud.starter() as jobs, pytest.raises(error) as caught:
        jobs.start_execution("processor", "run-1", Overrides(("true",)))
    assert words in caught.value.fix
    assert not cloud.executions("daily-revenue-processor")


def test_ctrl_c_ends_a_start_that_waits_for_the_service(grpc_cloud: Cloud) -> None:
    cancel = Cancel()
    grpc_cloud.emulator.chaos(unavailable_rate=1.0)
    threading.Timer(0.5, cancel.set).start()
    with grpc_cloud.starter(cancel=cancel) as jobs, pytest.raises(InterruptedRunError):
        jobs.start_execution("processor", "run-1", Overrides(("true",)))


def test_without_logs_the_exit_code_speaks_and_the_service_says_where_the_log_is(grpc_cloud: Cloud) -> None:
    with grpc_cloud.starter(settings=JobSettings(polling=Polling(0.02, 0.1))) as jobs:
        state = finish(jobs, jobs.start_execution("loader", "run-1", Overrides(("exit 30",))))
    with pytest.raises(PenstockError, match=r"exit code 30 \(held or overtaken by another run\)") as caught:
        raise_failure("loader", state)
    assert caught.value.exit_code == 30
    assert "log: https://console.cloud.google.com/logs" in caught.value.fix


def test_a_task_that_is_killed_is_tried_again_and_one_killed_each_time_is_told(cloud: Cloud) -> None:
    cloud.emulator.chaos(
        kill_tasks=[{"task": 1, "after_seconds": 0.2}, {"task": 2, "after_seconds": 0.1, "attempt": None}]
    )
    with cloud.starter() as jobs:
        plan = Overrides(cloud.script("sleep 0.5"), task_count=4, parallelism=4, max_retries=1)
        state = finish(jobs, jobs.start_execution("processor", "run-1", plan))
    assert (state.succeeded, state.failed) == (3, 1)
    assert [(each.task, each.attempt, each.exit_code) for each in state.failures] == [(2, 1, 137)]
    with pytest.raises(UnavailableError, match="task 2 of 4: It was killed by signal 9") as caught:
        raise_failure("processor", state)
    assert f"execution={state.execution}&task=2&attempt=1" in caught.value.fix


def test_the_files_own_timeout_wins_for_exporter_and_loader(grpc_cloud: Cloud) -> None:
    with grpc_cloud.starter(f"{IMAGES}[cloud.loader]\ntimeout_seconds = 33\n") as jobs:
        finish(jobs, jobs.start_execution("loader", "r", Overrides(("true",), timeout_seconds=86_400)))
    assert grpc_cloud.executions("daily-revenue-loader")[0].template.timeout.seconds == 33


def test_an_execution_cancelled_from_outside_is_no_success(cloud: Cloud) -> None:
    with cloud.starter() as jobs:
        started = jobs.start_execution("processor", "run-1", Overrides(cloud.script("sleep 100"), task_count=2))
        wait_until(lambda: len(cloud.notes()) == 2)
        with jobs_emulator.executions_client(cloud.emulator.address) as client:
            client.cancel_execution(name=cloud.executions("daily-revenue-processor")[0].name)
        state = finish(jobs, started)
    assert (state.finished, state.succeeded, state.cancelled, state.failures) == (True, 0, 2, ())
    with pytest.raises(InterruptedRunError, match="The processor was cancelled: 0 of 2 tasks had ended well"):
        raise_failure("processor", state)


def test_an_execution_deleted_while_it_is_watched_ends_the_wait_and_says_so(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "REFUSED_SECONDS", 0.5)
    with cloud.starter() as jobs:
        started = jobs.start_execution("loader", "run-1", Overrides(("sleep 100",)))
        with jobs_emulator.executions_client(cloud.emulator.address) as client:
            client.delete_execution(name=cloud.executions("daily-revenue-loader")[0].name)
        with pytest.raises(UnseenError, match="could not be looked at"):
            finish(jobs, started)
        jobs.cancel_execution(started.execution)  # gone: nothing happens


def test_looks_that_fail_for_a_while_end_nothing(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    methods = ["Executions.GetExecution", "Tasks.*"]
    with cloud.starter() as jobs:
        for code in ("UNAVAILABLE", "PERMISSION_DENIED", "NOT_FOUND", "INTERNAL"):
            started = jobs.start_execution("loader", code.lower(), Overrides(("sleep 0.3; exit 20",)))
            cloud.emulator.chaos(unavailable_first=5, unavailable_code=code, unavailable_methods=methods)
            assert [failure.exit_code for failure in finish(jobs, started).failures] == [20]
            cloud.emulator.chaos()
        monkeypatch.setattr(waiting, "UNSEEN_SECONDS", 0.5)
        started = jobs.start_execution("loader", "unseen", Overrides(("sleep 2",)))
        cloud.emulator.chaos(unavailable_rate=1.0, unavailable_methods=methods)
        with pytest.raises(UnseenError) as caught:
            finish(jobs, started)
        assert "the same command continues it" in caught.value.fix
        cloud.emulator.chaos()
        assert jobs.start_execution("loader", "unseen", Overrides(())) == StartedExecution(
            started.execution, continued=True
        )
        assert finish(jobs, started).succeeded == 1


def test_an_execution_that_cannot_be_cancelled_is_named_with_how_to_do_it(
    grpc_cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chain.jobs.cloudrun.jobs._CANCEL_PATIENCE_SECONDS", 0.3)
    cancel = Cancel()
    with grpc_cloud.starter(cancel=cancel) as jobs:
        started = jobs.start_execution("loader", "run-1", Overrides(("sleep 100",)))
        grpc_cloud.emulator.chaos(unavailable_rate=1.0, unavailable_methods=["Executions.CancelExecution"])
        with pytest.raises(InterruptedRunError, match="could not be cancelled") as caught:
            wait_execution(jobs, started.execution, cancel, lambda state: cancel.set())
    assert f"gcloud run jobs executions cancel {started.execution}" in caught.value.fix


def test_a_project_without_credentials_is_told_before_anything_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    config = Path("pipelines/cloud_run.toml")
    opened = open_jobs(load_pipeline(config, environ={}), config, Cancel(), environ={}, logs=tmp_path / "logs")
    with pytest.raises(InputError, match="find credentials for Cloud Run") as caught, opened:
        pass
    assert "gcloud auth application-default login" in caught.value.fix
    assert not (tmp_path / "logs").exists()


def test_an_emulator_in_the_environment_wins_over_a_project_and_neither_means_this_machine(tmp_path: Path) -> None:
    pipeline = load_pipeline(Path("pipelines/cloud_run.toml"), environ={})
    for chosen, environ, is_here in (
        (pipeline, {"RUN_EMULATOR_HOST": "127.0.0.1:1"}, False),
        (a_pipeline(tmp_path), {}, True),
    ):
        logs = tmp_path / "logs"
        with open_jobs(chosen, tmp_path / "p.toml", Cancel(), environ=environ, logs=logs):
            assert logs.exists() == is_here
