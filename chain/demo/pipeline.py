"""The pipeline files of the demo, and commands to try."""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from pathlib import Path

from pydantic import ValidationError

from chain.demo.rows import TIMEZONE
from staging.config.pipeline import Pipeline
from staging.errors import InputError

_FILE = """\
# Revenue per user and day, from the demo shop. `penstock help KEY` explains every key.
name = "{name}"

[source]
url = {url}
table = "{prefix}purchases"
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
table = "{prefix}revenue"
"""
_ON_SERVER = "penstock_demo"
_LEDGER = f'ledger = "{_ON_SERVER}_ledger"\n'


def write_demo_pipeline(path: Path, *, url: str, staging: str, shards: int) -> None:
    """Write the pipeline file of a demo shop.

    The shop is source and target at once.
    """
    path.write_text(_text(url, staging, shards), encoding="utf-8")


def write_server_pipeline(path: Path, *, url: str, staging: str, shards: int) -> None:
    """Write the pipeline file of a demo on a server.

    Its tables have names of their own.
    """
    path.write_text(_text(url, staging, shards, name=_ON_SERVER, prefix=f"{_ON_SERVER}_"), encoding="utf-8")


def server_pipeline(url: str) -> Pipeline:
    """Return the pipeline of a demo on a server.

    It has no file yet, nor a place for staging. InputError where the URL is none.
    """
    text = _text(url, "file:///nowhere", 1, name=_ON_SERVER, prefix=f"{_ON_SERVER}_")
    try:
        return Pipeline.model_validate(tomllib.loads(text))
    except ValidationError as exc:
        why = str(exc.errors()[0]["msg"]).removeprefix("Value error, ")
        raise InputError("--url can't be used.", why=f"It {why}.") from None


def demo_pipeline(url: str) -> Pipeline:
    """Return the pipeline of a shop that has no file yet.

    Nor a place for staging.
    """
    return Pipeline.model_validate(tomllib.loads(_text(url, "file:///nowhere", 1)))


def _text(url: str, staging: str, shards: int, *, name: str = "daily_revenue", prefix: str = "") -> str:
    found = _FILE.format(
        name=name, prefix=prefix, url=_quoted(url), staging=_quoted(staging), shards=shards, timezone=TIMEZONE
    )
    return found + (_LEDGER if prefix else "")


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
