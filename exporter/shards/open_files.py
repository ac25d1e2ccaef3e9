"""Lets as many files be open at once as there are shards.

polars keeps 128 partitions open by default; with more it closes one, cuts its row group short, and begins another file
for it later: fifteen files a shard at 1,000 shards. Each open partition may hold one of polars' blocking threads, of
which there are 512. The operating system's limit matters where the staging store is a folder.
"""

from __future__ import annotations

import os
import resource

import polars as pl

_POLARS_OPEN_FILES = 128
_POLARS_THREADS = 512
_OTHER_FILES = 256


def allow_open_files(shards: int) -> None:
    """Raise the limits on open files for this process.

    polars' and the operating system's, as far as they may be raised.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = shards + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )
    if shards > _POLARS_OPEN_FILES:
        os.environ["POLARS_MAX_OPEN_SINKS"] = str(shards)
        os.environ["POLARS_MAX_BLOCKING_THREAD_COUNT"] = str(shards + _POLARS_THREADS)
        pl.Config.reload_env_vars()
