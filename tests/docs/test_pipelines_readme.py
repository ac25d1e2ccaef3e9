"""The example in pipelines/README.md is a transform that keeps its promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.processor.runs import Runs
from tests.shop.hand_made_export import PREFIX, RUN_ID, HandMade, expected_revenue, purchases, put_in_folder

README = Path(__file__).parents[2] / "pipelines" / "README.md"


def test_the_example_of_a_transform_works(tmp_path: Path) -> None:
    example = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    (tmp_path / "my_module.py").write_text(example[1])
    rows = purchases(700, users=80)
    runs = Runs((tmp_path / "staging").as_uri(), tmp_path, "my_module:revenue")
    HandMade(put_in_folder(runs.stored()), rows, shards=2).commit()
    runs.process()
    folder = runs.stored() / f"{PREFIX}run={RUN_ID}"
    made = [row for path in sorted(folder.glob("part-*")) for row in pq.read_table(path).to_pylist()]
    assert {row["user_id"]: row["revenue"] for row in made} == {
        user: revenue for user, (revenue, _) in expected_revenue(rows).items()
    }


@pytest.mark.integration
def test_the_example_of_a_test_of_it_passes_and_fails_for_another_transform(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    module, test = blocks[0], next(block for block in blocks if "check_transform(" in block)
    for name, source, code in (("good", module, 0), ("bad", module.replace('"amount").sum()', '"amount").max()'), 1)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "my_module.py").write_text(source)
        (folder / "tried.py").write_text(test)
        ended = subprocess.run([sys.executable, folder / "tried.py"], capture_output=True, text=True, check=False)
        assert ended.returncode == code, ended.stderr
        assert ("does not conserve amount" in ended.stderr) is (code == 1)
