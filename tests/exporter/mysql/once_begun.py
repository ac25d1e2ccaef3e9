"""Does something as soon as an export's snapshot has begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from exporter.open_source import open_source
from exporter.port.database import Source


class OnceBegun:
    """Opens the source of an export; `work` is done as soon as its first snapshot, or its first seal's, has begun."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self.is_done = False

    @contextmanager
    def __call__(self, url: str) -> Iterator[Source]:
        with open_source(url) as source:
            made: Any = source
            made.connection.run = self._watch(made.connection.run)
            begin = made.begin_slices

            def begin_slices(*given: Any, **options: Any) -> Any:
                slices = begin(*given, **options)
                seal = slices.seal

                def seal_all(read: Any) -> Any:
                    slices._session.run = self._watch(slices._session.run)
                    return seal(read)

                slices.seal = seal_all
                return slices

            made.begin_slices = begin_slices
            yield source

    def _watch(self, run: Any) -> Any:
        def watched(sql: str, doing: str) -> Any:
            found = run(sql, doing)
            if sql.startswith("START TRANSACTION") and not self.is_done:
                self.is_done = True
                self._work()
            return found

        return watched
