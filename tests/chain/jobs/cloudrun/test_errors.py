"""What the clients of both transports raise, sorted: try again, unknown, a person must act."""

from __future__ import annotations

import pytest
import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from chain.jobs.cloudrun.errors import is_transient, is_unknown, reason, translate
from chain.jobs.cloudrun.place import Place
from staging.errors import InputError, PenstockError, UnavailableError

PLACE = Place("acme-data", "europe-west1")
REFUSED = requests.ConnectionError("Max retries exceeded with url: /v2/secret-token")
UNKNOWN = [
    api.ServiceUnavailable("u"), api.InternalServerError("i"), api.BadGateway("b"), api.GatewayTimeout("t"),
    api.DeadlineExceeded("d"), api.Unknown("?"), api.DataLoss("?"), api.Cancelled("c"), REFUSED,
    requests.ReadTimeout("slow"), api.RetryError("r", ValueError("x")), api.from_http_status(408, "late"),
]  # fmt: skip
REFUSALS = [api.TooManyRequests("q"), api.ResourceExhausted("q"), auth.TransportError("t")]
PERMANENT = [
    api.BadRequest("b"), api.InvalidArgument("b"), api.FailedPrecondition("f"), api.OutOfRange("o"),
    api.Unauthorized("a"), api.Unauthenticated("a"), api.Forbidden("f"), api.PermissionDenied("f"),
    api.NotFound("n"), api.MethodNotImplemented("m"), auth.DefaultCredentialsError("none"), auth.RefreshError("gone"),
]  # fmt: skip
CONFLICTS = [api.Conflict("c"), api.AlreadyExists("c"), api.Aborted("c")]


@pytest.mark.parametrize("error", UNKNOWN, ids=lambda error: type(error).__name__)
def test_a_call_that_may_have_been_carried_out_is_unknown_and_may_pass(error: Exception) -> None:
    assert is_unknown(error)
    assert is_transient(error)
    assert isinstance(translate(error, PLACE, "start it"), UnavailableError)


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
def test_a_call_that_was_refused_for_now_may_pass_and_was_not_carried_out(error: Exception) -> None:
    assert is_transient(error)
    assert not is_unknown(error)
    assert isinstance(translate(error, PLACE, "start it"), UnavailableError)


@pytest.mark.parametrize("error", PERMANENT, ids=lambda error: type(error).__name__)
def test_a_call_that_will_be_refused_again_is_for_a_person(error: Exception) -> None:
    assert not is_transient(error)
    told = translate(error, PLACE, "start it")
    assert isinstance(told, InputError)
    assert told.fix


@pytest.mark.parametrize("error", CONFLICTS, ids=lambda error: type(error).__name__)
def test_a_conflict_asks_for_another_look_over_both_transports(error: Exception) -> None:
    assert not is_transient(error)
    assert isinstance(translate(error, PLACE, "write it"), UnavailableError)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            api.PermissionDenied("p"),
            ["cloud.project (acme-data)", "cloud.region (europe-west1)", "roles/run.developer"],
        ),
        (api.NotFound("n"), ["acme-data", "europe-west1"]),
        (api.TooManyRequests("q"), ["quota"]),
        (api.Unauthenticated("a"), ["gcloud auth application-default login"]),
        (auth.DefaultCredentialsError("x"), ["gcloud auth application-default login", "RUN_EMULATOR_HOST"]),
        (api.MethodNotImplemented("m"), ["cloud.endpoint"]),
        (api.ServiceUnavailable("u"), ["status.cloud.google.com"]),
        (api.InvalidArgument("i"), ["[cloud]", "[process]"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_says_what_to_do(error: Exception, words: list[str]) -> None:
    told = translate(error, PLACE, "start daily-revenue-exporter")
    assert told.what == "Could not start daily-revenue-exporter (acme-data, europe-west1)."
    assert all(word in told.fix for word in words), told.fix


def test_an_emulator_that_is_gone_is_named() -> None:
    told = translate(api.ServiceUnavailable("refused"), Place("p", "r", "127.0.0.1:1"), "look")
    assert "on the emulator at 127.0.0.1:1" in told.what
    assert "RUN_EMULATOR_HOST says 127.0.0.1:1" in told.fix


def test_the_services_own_sentence_is_told_without_the_address_that_rest_puts_before_it() -> None:
    message = "POST https://run.googleapis.com/v2/projects/p/locations/r/jobs/j:run?alt=json: Quota exceeded."
    assert reason(api.TooManyRequests(message)) == "The service answered: Quota exceeded."
    assert reason(REFUSED) == "The connection failed: ConnectionError."
    assert "secret-token" not in str(translate(REFUSED, PLACE, "look"))


def test_every_error_is_one_of_ours() -> None:
    for error in (*UNKNOWN, *REFUSALS, *PERMANENT, *CONFLICTS):
        assert isinstance(translate(error, PLACE, "x"), PenstockError)
