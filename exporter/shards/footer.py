"""Reads how many rows a Parquet file says it has.

From its last bytes alone. Layout of a file's end (parquet-format, "File format"): the Thrift-encoded FileMetaData, its
length in four bytes little-endian, `PAR1`. FileMetaData (parquet.thrift) in Thrift's compact protocol: field 1 version
(i32), field 2 schema (list of structs), field 3 num_rows (i64). Nothing behind field 3 is looked at.
"""

from __future__ import annotations

from staging.errors import IntegrityError

_MAGIC = b"PAR1"
_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    12,
)
_NUM_ROWS_FIELD = 3
TAIL_BYTES = 8


def footer_bytes(tail: bytes) -> int:
    """Return how many bytes the footer has.

    With its length and magic, from a file's last 8 bytes.
    """
    if len(tail) < TAIL_BYTES or tail[-4:] != _MAGIC:
        raise _damaged("it does not end in PAR1")
    return int.from_bytes(tail[-8:-4], "little") + TAIL_BYTES


def read_row_count(footer: bytes) -> int:
    """Return num_rows from a file's last `footer_bytes` bytes."""
    try:
        return _Compact(footer).num_rows()
    except IndexError:
        raise _damaged("its footer is cut") from None


class _Compact:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def num_rows(self) -> int:
        field = 0
        while True:
            field, kind = self._field(field)
            if kind == _STOP:
                raise _damaged("its footer has no row count")
            if field == _NUM_ROWS_FIELD and kind == _I64:
                return self._zigzag()
            self._skip(kind)

    def _field(self, last: int) -> tuple[int, int]:
        header = self._byte()
        if header == _STOP:
            return 0, _STOP
        delta, kind = header >> 4, header & 0x0F
        return (last + delta if delta else self._zigzag()), kind

    def _skip(self, kind: int) -> None:
        if kind in (_TRUE, _FALSE):
            return
        if kind == _BYTE:
            self._at += 1
        elif kind in (_I16, _I32, _I64):
            self._varint()
        elif kind == _DOUBLE:
            self._at += 8
        elif kind == _BINARY:
            length = self._varint()
            self._at += length
        elif kind in (_LIST, _SET):
            self._skip_list()
        elif kind == _STRUCT:
            field, inner = self._field(0)
            while inner != _STOP:
                self._skip(inner)
                field, inner = self._field(field)
        else:
            raise _damaged(f"its footer has a field of kind {kind}")

    def _skip_list(self) -> None:
        header = self._byte()
        count, kind = header >> 4, header & 0x0F
        if count == 15:  # noqa: PLR2004 - the compact protocol's mark of a long list
            count = self._varint()
        for _ in range(count):
            if kind in (_TRUE, _FALSE):
                self._at += 1
            else:
                self._skip(kind)

    def _byte(self) -> int:
        value = self._data[self._at]
        self._at += 1
        return value

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 - the continuation bit
                return value
            shift += 7

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)


def _damaged(why: str) -> IntegrityError:
    return IntegrityError("A Parquet file was not written to its end.", why=why, fix="Run again; nothing counts yet.")
