"""Remembers the keys of a day's rows.

So that it is known for which of them a table without a time has a row. Whole keys, no hashes: two keys never count as
one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import polars as pl

_COMPACT_ROWS = 500_000

Refuse = Callable[[Sequence[object]], Exception]
"""Returns the error for the row of a key."""


class DayKeys:
    """The distinct keys of the day's rows, whichever table they are in."""

    def __init__(self) -> None:
        self._known: list[pl.DataFrame] = []
        self._rows = 0

    def note(self, frames: Iterable[pl.DataFrame], key: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield the frames, after having taken note of their keys."""
        for frame in frames:
            self._add(_keys(frame, key))
            yield frame

    def _add(self, keys: pl.DataFrame) -> None:
        self._known.append(keys)
        self._rows += keys.height
        if self._rows > _COMPACT_ROWS and len(self._known) > 1:
            self._known = [self._merged()]
            # If nearly all keys are distinct, the next merge waits for as many rows again.
            self._rows = -self._known[0].height if self._known[0].height > _COMPACT_ROWS // 2 else 0

    def _merged(self) -> pl.DataFrame:
        return _distinct(pl.concat(self._known))

    def listed(self) -> pl.DataFrame:
        """Return the keys, sorted, each once.

        Without a noted row it is a frame without a column.
        """
        merged = self._merged() if self._known else pl.DataFrame()
        return merged.sort(merged.columns) if merged.columns else merged

    def compare(
        self, frames: Iterable[pl.DataFrame], key: Sequence[str], *, only: bool, refuse: Refuse | None = None
    ) -> KeysCompared:
        """Return the frames beside the day's keys.

        With `only`, just the rows whose key is among them; the error that `refuse` returns for another key is raised.
        """
        return KeysCompared(self._merged() if self._known else None, frames, key, only=only, refuse=refuse)


class KeysCompared:
    """Rows of a table without a time, beside the day's keys."""

    def __init__(
        self,
        known: pl.DataFrame | None,
        frames: Iterable[pl.DataFrame],
        key: Sequence[str],
        *,
        only: bool,
        refuse: Refuse | None = None,
    ) -> None:
        self._known, self._frames, self._key, self._only, self._refuse = known, frames, key, only, refuse
        self.keys_without_row = known.height if known is not None else 0

    def rows(self) -> Iterator[pl.DataFrame]:
        """Yield the rows, at most one of each key.

        `keys_without_row` is right when all were taken.
        """
        for frame in self._frames:
            keys = _keys(frame, self._key)
            if self._known is None:
                found = pl.repeat(value=False, n=frame.height, dtype=pl.Boolean, eager=True)
            else:
                # A join builds its table from the right side: that is the few, however many keys are known.
                known = self._known.join(keys, on=keys.columns, how="semi").with_columns(found=pl.lit(value=True))
                joined = keys.join(known, on=keys.columns, how="left", maintain_order="left")
                found = joined.get_column("found").fill_null(value=False)
            self.keys_without_row -= int(found.sum())
            if self._refuse is not None and not found.all():
                raise self._refuse(keys.filter(~found).row(0))
            kept = frame.filter(found) if self._only else frame
            if kept.height:
                yield kept


def _distinct(keys: pl.DataFrame) -> pl.DataFrame:
    """Return each key once: for one column as a series, which costs polars a sixth of a frame's time."""
    return keys.to_series().unique().to_frame() if keys.width == 1 else keys.unique()


def _keys(frame: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    return frame.select(pl.col(column).alias(f"k{place}") for place, column in enumerate(key))
