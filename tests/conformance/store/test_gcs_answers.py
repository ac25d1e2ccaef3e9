"""An answer of Cloud Storage is judged with its reason: its code alone would give the wrong exit code or advice."""

from __future__ import annotations

import pytest

from staging.errors import InputError, UnavailableError
from staging.gcs.store import GcsStore, open_gcs_store
from tests.servers.gcs_proxy import GcsProxy

pytestmark = pytest.mark.integration

PASSING = ("rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded")
LASTING = {
    "retentionPolicyNotMet": "retention policy",
    "objectUnderActiveHold": "hold on the object",
    "accountDisabled": "billing account",
    "userProjectMissing": "requester pay",
    "SECURITY_POLICY_VIOLATED": "perimeter of VPC Service Controls",
    "orgPolicyConstraintFailed": "organization's policy",
}


@pytest.mark.parametrize("reason", PASSING)
def test_a_limit_is_waited_for_and_passes(proxied_store: GcsStore, gcs_proxy: GcsProxy, reason: str) -> None:
    for kind in ("insert", "stat", "list"):
        gcs_proxy.arm(kind, f"return-403 {reason}")
    info = proxied_store.create("a", b"x")
    assert proxied_store.find("a") == info
    assert list(proxied_store.list("")) == [info]


@pytest.mark.parametrize("reason", PASSING)
def test_a_limit_that_stays_is_unavailable(gcs_proxy: GcsProxy, gcs_bucket: str, reason: str) -> None:
    gcs_proxy.arm("any", f"return-403 {reason}", times=1000)
    with pytest.raises(UnavailableError), open_gcs_store(gcs_bucket, patience_seconds=0.4):
        pass
    gcs_proxy.disarm()


@pytest.mark.parametrize("reason", LASTING)
@pytest.mark.parametrize("status", [400, 403, 412])
def test_a_refusal_that_is_no_missing_right_says_what_it_is(
    proxied_store: GcsStore, gcs_proxy: GcsProxy, reason: str, status: int
) -> None:
    gcs_proxy.arm("insert", f"return-{status} {reason}")
    with pytest.raises(InputError) as caught:
        proxied_store.create("a", b"x")
    assert LASTING[reason] in caught.value.why
    assert "storage.objects.create" not in caught.value.fix


@pytest.mark.parametrize("reason", ["forbidden", "insufficientPermissions"])
def test_a_missing_right_names_the_permissions(proxied_store: GcsStore, gcs_proxy: GcsProxy, reason: str) -> None:
    gcs_proxy.arm("insert", f"return-403 {reason}")
    with pytest.raises(InputError) as caught:
        proxied_store.create("a", b"x")
    assert "storage.objects.create" in caught.value.fix


def test_an_unknown_refusal_gives_the_services_words_and_no_advice(
    proxied_store: GcsStore, gcs_proxy: GcsProxy
) -> None:
    gcs_proxy.arm("insert", "return-418 teapot")
    with pytest.raises(InputError) as caught:
        proxied_store.create("a", b"x")
    assert "418" in caught.value.why
    assert caught.value.fix == ""


def test_a_precondition_of_ours_that_failed_is_still_a_conflict(proxied_store: GcsStore, gcs_proxy: GcsProxy) -> None:
    info = proxied_store.create("a", b"x")
    gcs_proxy.arm("insert", "return-412 conditionNotMet")
    assert proxied_store.create("a", b"x") == info


def test_a_listing_without_sums_is_one_all_the_same(proxied_store: GcsStore, gcs_proxy: GcsProxy) -> None:
    info = proxied_store.create("a", b"x")
    gcs_proxy.arm("list", "without-sums")
    (listed,) = proxied_store.list("")
    assert (listed.name, listed.generation, listed.size_bytes, listed.crc32c) == ("a", info.generation, 1, None)
    assert proxied_store.find("a") == info


@pytest.mark.parametrize("ending", ["/", "//", " ", "/ "])
def test_an_emulators_address_may_end_with_a_slash(
    gcs_endpoint: str, gcs_bucket: str, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"{gcs_endpoint}{ending}")
    with open_gcs_store(gcs_bucket) as store:
        info = store.create("a", b"x")
        assert store.read("a") == (b"x", info)
