"""Checks single values of a pipeline file.

ValueError says what a value should be.
"""

from __future__ import annotations

import difflib
import re
from zoneinfo import available_timezones

from pydantic_core import PydanticCustomError

from staging.errors import InputError
from staging.names import check_pipeline
from staging.window import load_zone


def check_zone(name: str) -> str:
    """Return the name of an IANA time zone.

    For a wrong one the nearest is proposed.
    """
    try:
        load_zone(name)
    except InputError as error:
        near = difflib.get_close_matches(name, available_timezones(), n=1)
        meant = f"did you mean {near[0]}?" if near else "write a name like Europe/Berlin or UTC"
        raise ValueError(f"{error.what.rstrip('.')[0].lower()}{error.what.rstrip('.')[1:]}; {meant}") from None
    return name


def check_staging_url(url: str) -> str:
    """Return `gs://bucket/prefix` or `file:///folder`."""
    if re.fullmatch(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](/.*)?", url) or re.match(r"file:///.", url):
        return url
    if url.startswith("file:"):
        raise ValueError("should be file:///folder with three slashes and an absolute path")
    raise ValueError("should be gs://bucket/prefix or file:///folder")


def check_name(name: str) -> str:
    """Return a pipeline's name that can be part of object names."""
    try:
        return check_pipeline(name)
    except InputError as error:
        raise ValueError(f"{error.what.rstrip('.')}; {error.fix}") from None


def check_transform(spec: str) -> str:
    """Return `package.module:attribute`; nothing is imported."""
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", spec):
        raise ValueError('should be "package.module:attribute", for example "processor.revenue:revenue_per_user"')
    return spec


def check_function(spec: str) -> str:
    """Return `package.module:function`; nothing is imported."""
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", spec):
        raise ValueError('should be "package.module:function", for example "payments_api:read_payments"')
    return spec


def check_parquet_pattern(url: str) -> str:
    """Return a pattern of Parquet files.

    `gs://bucket/folder/*.parquet` or `file:///folder/*.parquet`; `{day}` is the business day.
    """
    place, _, file = url.rpartition("/")
    if not file or not re.match(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]/.|file:///.", url):
        raise ValueError("should be gs://bucket/folder/*.parquet or file:///folder/*.parquet")
    if any(brace in url.replace("{day}", "") for brace in "{}"):
        raise ValueError("has braces; only {day} is known")
    if place.startswith("gs://") and any(sign in place.removeprefix("gs://").partition("/")[0] for sign in "*?"):
        raise ValueError("has a wildcard in the bucket's name")
    return url


def missing_key(more: str = "") -> PydanticCustomError:
    """Return the fault of a key that is needed after all.

    It is worded as that of any other; `more` continues it.
    """
    return PydanticCustomError("missing", "Field required", {"more": more})
