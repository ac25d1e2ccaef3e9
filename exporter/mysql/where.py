"""Whether `source.where` depends on each row alone, on MySQL and MariaDB.

The seal sees rows that change. It can't see a row that joins or leaves the window because something else did: another
table that a subquery asks, the clock, a variable. The catalogue does not say which functions do, so known ones pass.
"""

from __future__ import annotations

import re

from exporter.port.where_moves import WhereWords, calls, words

_WORDS = WhereWords(
    text=re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\""),
    subquery=words("select|table|values|with"),
    clock=words("current_date|current_time|current_timestamp|localtime|localtimestamp|utc_date|utc_time|utc_timestamp"),
)
_CALL = re.compile(r"(?:`((?:[^`]|``)+)`|([a-z_][a-z0-9_$]*))\s*\(", re.IGNORECASE)
_STEADY = frozenset(
    """
    in not and or xor between like regexp rlike is exists if ifnull nullif coalesce case when then else div mod binary
    abs ceil ceiling floor round truncate sign greatest least pow power sqrt
    lower upper lcase ucase trim ltrim rtrim left right mid substr substring length octet_length char_length
    character_length concat concat_ws replace reverse locate instr position lpad rpad repeat hex unhex ascii ord
    regexp_like regexp_replace regexp_substr regexp_instr strcmp field find_in_set elt bit_count crc32 md5 sha1 sha2
    cast convert char signed unsigned decimal date time datetime timestamp year quarter month week day dayofmonth
    dayofweek dayofyear weekday hour minute second microsecond extract date_add date_sub adddate subdate datediff
    timestampdiff timestampadd makedate maketime last_day to_days from_days to_seconds str_to_date interval
    json_extract json_value json_unquote json_contains json_length json_type json_valid inet_aton inet6_aton
    """.split()  # noqa: SIM905 - fifteen lines of quotes and commas say no more
)


def why_where_moves(where: str | None) -> str:
    """Return what in it may give another answer for the same row later, as a clause; "" where nothing does."""
    if where is None:
        return ""
    bare = _WORDS.strip_texts(where)
    if moves := _WORDS.why_it_moves(bare):
        return moves
    if "@" in bare:
        return "source.where has a variable, which may change without any row changing"
    for quoted, plain in _CALL.findall(bare):
        if quoted or plain.lower() not in _STEADY:
            return calls(quoted or plain)
    return ""
