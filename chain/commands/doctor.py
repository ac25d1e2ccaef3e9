"""`penstock doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chain.cli_options import answer_option, common, environment, in_cloud_option, json_option


@click.command(short_help="Check all that a run needs, with a fix for each fault.")
@common
@in_cloud_option
@answer_option
@json_option
def doctor(config: Path, overrides: Sequence[str], *, in_cloud: bool, answer: str | None, as_json: bool) -> None:
    """Check all that a run needs, and print a line each.

    It looks at connections, rights, columns, index, clocks, time zones, transform, target tables, bucket and jobs.
    A fault comes with its fix, and does not stop the others. Exit code 10 or 20 if there is one.
    """
    from chain.doctor.view import show_findings
    from chain.in_cloud.answer import answered
    from chain.in_cloud.run import run_in_cloud
    from staging.config.file import load_pipeline
    from staging.config.layers import module_folders

    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    if in_cloud:
        run_in_cloud(pipeline, "doctor", ["--json"] if as_json else [], overrides, environment())
        return
    with answered(pipeline, answer):
        show_findings(pipeline, module_folders(config, environment()), as_json=as_json)
