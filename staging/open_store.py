"""Opens the store that a staging URL names.

Adapters are imported when asked for: google-cloud-storage is slow.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from staging.errors import InputError
from staging.store import Store


@contextmanager
def open_store(url: str, *, make: bool = True) -> Iterator[Store]:
    """Open `gs://bucket/prefix` or `file:///folder`; leaving the context releases connections only.

    A folder that is missing is made, unless `make` says not to.

    InputError when the URL is wrong, or bucket or folder are missing or closed to us; UnavailableError when the
    service does not answer.
    """
    scheme = url.partition(":")[0].lower()
    if scheme == "file":
        from staging.folder.store import open_folder_store  # noqa: PLC0415 - see above

        yield open_folder_store(url, make=make)
    elif scheme == "gs":
        from staging.gcs.store import open_gcs_store  # noqa: PLC0415 - see above

        with open_gcs_store(url) as store:
            yield store
    else:
        raise InputError(
            "The staging URL names no store that Penstock knows.",
            why="It begins with neither `gs://` nor `file:///`.",
            fix="Write gs://bucket/prefix or file:///folder.",
        )
