"""A head that is another one, or an older copy of itself, is explained, and a command of `penstock` sets it right."""

from __future__ import annotations

import json
import re
import shutil
from datetime import date

import pytest

from chain.asked import Permitted
from staging.names import DayNames
from staging.open_store import open_store
from tests.chain.chain_days import DAY, DemoDay

pytestmark = pytest.mark.integration


def read_head(day: DemoDay) -> bytes:
    with open_store(day.staging.as_uri()) as store:
        return store.read(DayNames("daily_revenue", date.fromisoformat(DAY)).head())[0]


def restore_head(day: DemoDay, data: bytes) -> None:
    name = DayNames("daily_revenue", date.fromisoformat(DAY)).head()
    with open_store(day.staging.as_uri()) as store:
        found = store.find(name)
        assert found is not None
        store.replace(name, data, generation=found.generation)


def test_an_older_copy_of_a_head_is_explained_and_raised(day: DemoDay) -> None:
    day.report("run")
    copy = read_head(day)
    day.report("reprocess")
    rows, fence = day.revenue(), json.loads(read_head(day))["fence"]
    restore_head(day, copy)
    refused = day.penstock("run")
    assert refused.returncode == 10, refused.stderr
    assert "an older copy of it was restored" in refused.stderr
    assert f"--raise-fence {fence}" in refused.stderr
    assert day.report("reprocess", "--raise-fence", str(fence))["status"] == "done"
    assert json.loads(read_head(day))["fence"] == fence + 1
    assert day.revenue() == rows


def test_a_new_bucket_rules_a_loaded_day_when_its_head_is_adopted_by_name(day: DemoDay) -> None:
    day.report("run")
    rows = day.revenue()
    shutil.rmtree(day.staging)
    refused = day.penstock("run")
    assert refused.returncode == 10, refused.stderr
    found = re.search(r"--adopt-head ([0-9a-f]{32})", refused.stderr)
    assert found is not None
    assert json.loads(read_head(day))["head_id"] == found[1]
    assert day.report("run", "--adopt-head", found[1])["status"] == "done"
    assert day.revenue() == rows


def test_what_is_permitted_reaches_the_loader_as_its_own_options() -> None:
    assert Permitted().loader_arguments() == ()
    assert Permitted(allow_older=True).loader_arguments() == ("--allow-older",)
    both = Permitted(allow_older=True, adopt_head="ab")
    assert both.loader_arguments() == ("--allow-older", "--adopt-head", "ab")
