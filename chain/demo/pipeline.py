"""The pipeline files of the demo, and commands to try."""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from pathlib import Path

from chain.demo.rows import TIMEZONE
from staging.config.pipeline import Pipeline

_FILE = """\
# Revenue per user and day, from the demo shop. Every key is in docs/reference.md.
name = "daily_revenue"

[source]
url = {url}
table = "purchases"
key = "user_id"
time = "purchased_at"
columns = ["amount"]
where = "status IN ('paid', 'refunded')"
timezone = "{timezone}"

[staging]
url = {staging}

[export]
shards = {shards}

[target]
url = {url}
table = "revenue"
"""


def write_demo_pipeline(path: Path, *, url: str, staging: str, shards: int) -> None:
    """Write the pipeline file of a demo shop.

    The shop is source and target at once.
    """
    path.write_text(_text(url, staging, shards), encoding="utf-8")


def demo_pipeline(url: str) -> Pipeline:
    """Return the pipeline of a shop that has no file yet.

    Nor a place for staging.
    """
    return Pipeline.model_validate(tomllib.loads(_text(url, "file:///nowhere", 1)))


def _text(url: str, staging: str, shards: int) -> str:
    return _FILE.format(url=_quoted(url), staging=_quoted(staging), shards=shards, timezone=TIMEZONE)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a JSON string is a TOML string


def own_command() -> str:
    """Return how to type this program.

    `penstock` where the shell would find this very one, else its path.
    """
    program = Path(sys.argv[0])
    if program.name != "penstock":
        return f"{shown_path(Path(sys.executable))} -m chain"
    found = shutil.which("penstock")
    return "penstock" if found and Path(found).samefile(program) else shown_path(program)


def shown_path(path: Path) -> str:
    """Return the path as short as it can be typed from here."""
    absolute = path.absolute()
    here = Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)
