"""Options that several commands share, and what they are turned into."""

from __future__ import annotations

import shutil
import sys
import tomllib
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from chain.asked import Permitted
from chain.views.run_view import ProgressMode

_PROGRESS = "penstock.progress"
WITHOUT_END = 1_000_000
CONFIG_VARIABLE = "PENSTOCK_CONFIG"
Command = TypeVar("Command", bound=Callable[..., Any])

_SECTIONS = ("source", "staging", "target")


def _choose_config(context: click.Context, _: click.Parameter, chosen: Path | None) -> Path:
    """Return the file that was named, that PENSTOCK_CONFIG names, or the one pipeline file of this folder."""
    environ: Mapping[str, str] = context.find_root().obj or {}
    if chosen is not None:
        return chosen
    if named := environ.get(CONFIG_VARIABLE):
        return Path(named)
    if context.resilient_parsing:
        return Path()
    here = find_pipeline_files(Path())
    if len(here) == 1:
        return here[0]
    found = f"this folder has {', '.join(map(str, here))}" if here else "this folder has no pipeline file"
    raise click.UsageError(f"Missing option '--config': {found}, and {CONFIG_VARIABLE} is not set.", context)


config_option = click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path),
    callback=_choose_config,
    metavar="FILE",
    help=f"The pipeline file (TOML). [default: {CONFIG_VARIABLE}, or the one pipeline file of this folder]",
)
DAY = "YYYY-MM-DD|yesterday|today-N"
"""How a day is written; `staging.window.Calendar` reads it."""

_WINDOW_OPTIONS = (
    click.option("--day", metavar=DAY, help="The business day, in source.timezone."),
    click.option("--month", metavar="YYYY-MM|last", help='Instead of --day, where source.window is "month".'),
    click.option("--week", metavar="YYYY-Www|last", help='Instead of --day, where source.window is "week".'),
    click.option("--hour", metavar="YYYY-MM-DDTHH[+HH:MM]|last", help='Instead of --day, if source.window is "hour".'),
)
_COMPARED_DAYS_OPTIONS = (
    click.option("--from", "first", metavar=DAY, help="The first day of a range, inclusive."),
    click.option("--to", "last", metavar=DAY, help="The last day, inclusive. [default: yesterday]"),
    click.option("--last", "newest", type=click.IntRange(min=1), metavar="N", help="The last N days up to yesterday."),
    click.option(
        "--budget-seconds",
        type=click.FloatRange(min=0, min_open=True),
        help="How long the server may work for comparing in all; days compared longest ago come first. "
        "[default: no end]",
    ),
)
_PERMISSION_OPTIONS = (
    click.option("--allow-older", is_flag=True, help="Load an older export though a newer one is loaded."),
    click.option("--adopt-head", metavar="HEAD_ID", help="This bucket's head, where the target names another one."),
)
raise_fence_option = click.option(
    "--raise-fence",
    type=click.IntRange(min=1),
    metavar="FENCE",
    help="Begin a new run above this fence: where a day's head was restored from an older copy.",
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Override one key of the file; may be given several times.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout instead of a summary."
)
logs_option = click.option(
    "--logs",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="PENSTOCK_LOGS",
    metavar="FOLDER",
    help="Where the jobs' logs go. [default: ~/.local/state/penstock]",
)

wait_option = click.option(
    "--wait", is_flag=True, help="Wait for a day that somebody else holds, instead of ending with 30; Ctrl-C ends it."
)
patience_option = click.option(
    "--patience-seconds",
    default=0,
    show_default=True,
    type=click.IntRange(0, 604_800),
    metavar="N",
    help="For how long a day that can't be done now (exit code 20) is tried again.",
)
accept_change_option = click.option(
    "--accept-change",
    is_flag=True,
    help="Load the day though it has far fewer or more rows than the last ones ([checks]).",
)
require_closed_option = click.option(
    "--require-closed",
    is_flag=True,
    help="Refuse a day that is not over, or was read before it was, with exit code 20.",
)
progress_option = click.option(
    "--progress",
    "progress",
    type=click.Choice(["auto", "json", "none"]),
    default="auto",
    show_default=True,
    expose_value=False,
    callback=lambda context, _, value: context.meta.update({_PROGRESS: value}),
    help="What stderr shows of the work: bars or lines, a JSON object for each change, or nothing.",
)


in_cloud_option = click.option(
    "--in-cloud",
    is_flag=True,
    help="Do it in the chain's deployed job, from where private addresses are reached, and show it here.",
)
answer_option = click.option("--answer", "answer", hidden=True, help="Whom to leave what is said for (--in-cloud).")


def day_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --day, --month, --week and --hour, of which one is given.

    The command gets `day`, the window's first one, or the hour.
    """

    @wraps(command)
    def with_day(*args: Any, day: str | None, **rest: Any) -> Any:  # noqa: ANN401 - click's own
        named = [(span, rest.pop(span)) for span in ("month", "week", "hour")]
        given = [*([day] if day is not None else []), *(f"{span} {text}" for span, text in named if text is not None)]
        if not given:
            raise click.MissingParameter(param_hint="'--day'", param_type="option")
        if len(given) > 1:
            raise click.UsageError("--day, --month, --week and --hour don't go together.")
        return command(*args, day=given[0], **rest)

    for option in reversed(_WINDOW_OPTIONS):
        with_day = option(with_day)
    return with_day


def compared_days_options(command: Command) -> Command:
    """Add --from, --to, --last and --budget-seconds, for comparing days."""
    for option in reversed(_COMPARED_DAYS_OPTIONS):
        command = option(command)
    return command


def permission_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --allow-older and --adopt-head, which the loader gets; the command gets `permitted`."""

    @wraps(command)
    def with_permissions(*args: Any, allow_older: bool, adopt_head: str | None, **rest: Any) -> Any:  # noqa: ANN401 - click's own
        raise_fence = rest.pop("raise_fence", None)
        return command(*args, permitted=Permitted(allow_older, adopt_head, raise_fence), **rest)

    for option in reversed(_PERMISSION_OPTIONS):
        with_permissions = option(with_permissions)
    return with_permissions


def common(command: Command) -> Command:
    """Add --config and --set."""
    return config_option(set_option(command))


def log_folder(chosen: Path | None, pipeline: str, day: str) -> Path:
    """Return the folder of one day's logs, absolute.

    Below the one chosen or the user's state folder (XDG).
    """
    state = environment().get("XDG_STATE_HOME") or "~/.local/state"
    base = chosen or Path(state).expanduser() / "penstock"
    return base.absolute() / pipeline / day


def progress_mode() -> ProgressMode:
    """Return what --progress says, for a command that has it; else `auto`."""
    found: ProgressMode = click.get_current_context().meta.get(_PROGRESS, "auto")
    return found


def style_for_stdout() -> Callable[..., str]:
    """Return `click.style` for a terminal, else a plain function.

    Elsewhere, or under NO_COLOR, text stays as it is.
    """
    painted = sys.stdout.isatty() and not environment().get("NO_COLOR")

    def style(text: str, **colours: Any) -> str:  # noqa: ANN401 - handed on to click
        return click.style(text, **colours) if painted else text

    return style


def line_characters() -> int:
    """Return how long a line of text on stdout may be.

    The width of the terminal; no limit in a pipe or file.
    """
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else WITHOUT_END


def environment() -> dict[str, str]:
    """Return the environment as `main` read it."""
    found: dict[str, str] = click.get_current_context().find_root().obj
    return found


def find_pipeline_files(folder: Path) -> list[Path]:
    """Return the folder's files that look like pipelines.

    TOML that has what every pipeline has, in the order of names, whole or not.
    """
    return [path for path in sorted(folder.glob("*.toml")) if _is_pipeline(path)]


def _is_pipeline(path: Path) -> bool:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):  # nobody said that it is one
        return False
    return all(isinstance(values.get(section), dict) for section in _SECTIONS)
