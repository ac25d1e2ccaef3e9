"""Replaces what is only remembered, and can be lost.

Such a document is found, missing or damaged; a damaged one counts as missing, and is written anew. It is replaced by
generation, and left as it is if others write all the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from staging.documents.document import Document
from staging.errors import GenerationChangedError, IntegrityError, ObjectExistsError
from staging.store import Store

_ATTEMPTS = 10
Memory = TypeVar("Memory", bound=Document)


def recall(store: Store, name: str, kind: type[Memory]) -> Memory | None:
    """Return what is remembered, or None."""
    return _find(store, name, kind)[0]


def remember(store: Store, name: str, kind: type[Memory], change: Callable[[Memory | None], Memory | None]) -> None:
    """Write what `change` makes of it, nothing for None.

    It is asked again whenever another write came first, so it has to give the document a nonce of its own.
    """
    for _ in range(_ATTEMPTS):
        before, generation = _find(store, name, kind)
        after = change(before)
        if after is None:
            return
        try:
            if generation is None:
                store.create(name, after.to_bytes())
            else:
                store.replace(name, after.to_bytes(), generation=generation)
        except (ObjectExistsError, GenerationChangedError):
            continue
        return


def _find(store: Store, name: str, kind: type[Memory]) -> tuple[Memory | None, int | None]:
    info = store.find(name)
    if info is None:
        return None, None
    try:
        data, info = store.read(name)
        return kind.parse(data, name=name), info.generation
    except IntegrityError:
        return None, info.generation
