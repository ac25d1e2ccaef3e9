"""A night that goes wrong and well again, with the commands themselves and a webhook on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chain.notify.hook import SECRET, webhook
from tests.chain.range.small_range import SmallRange, fill_small_shop

pytestmark = pytest.mark.integration

DAY = "2026-10-25"


def test_a_failure_its_recovery_a_change_and_a_late_day_are_told_and_a_dead_hook_changes_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "made").mkdir()
    shop = SmallRange(tmp_path)
    shop.make(fill_small_shop(tmp_path / "made"))
    with webhook() as hook:
        shop.config.write_text(f'{shop.config.read_text()}\n[notify]\nurl = "{hook.url}"\n')
        shop.faults(DAY)
        failed = shop.penstock("run", "--day", DAY)
        assert failed.returncode == 10
        assert hook.events() == ["failure"]
        assert "Row 7 is odd." in hook.requests[0]["days"][0]["why"]
        assert str(tmp_path) + "/logs" not in hook.requests[0]["text"]  # a log's place is no matter of a chat

        shop.faults()
        assert shop.outcomes(DAY, DAY) == {DAY: "done"}
        assert hook.events() == ["failure", "recovered"]
        assert hook.requests[1]["days"][0]["rows"] == len(shop.expected(DAY))

        shop.sql("DELETE FROM purchases WHERE purchased_at LIKE '2026-10-25 12%'")
        assert shop.penstock("run", "--day", DAY, "--fresh-export").returncode == 0
        assert hook.events() == ["failure", "recovered", "changed_days"]
        (changed,) = hook.requests[2]["days"]
        assert changed["updated"] + changed["deleted"] > 0
        assert shop.penstock("status", "--fail-if-late").returncode == 3
        assert hook.events()[-1] == "late"
    shown = [failed.stdout, failed.stderr, *(str(request) for request in hook.requests)]
    assert not [text for text in shown if SECRET in text]

    dead = shop.penstock("run", "--day", "2026-10-26")
    assert (dead.returncode, "warning" in dead.stderr) == (0, False)  # nothing to tell
    shop.faults("2026-10-27")
    dead = shop.penstock("run", "--day", "2026-10-27")
    assert dead.returncode == 10
    assert "warning: nobody was told of 'failure'" in dead.stderr
    assert SECRET not in dead.stderr
