"""Finds the token of an emulator that runs by itself.

The emulator left it for its user.
"""

from __future__ import annotations

from collections.abc import Mapping

from jobs_emulator.tokens import FILE_VARIABLE, TokenError, find_token
from staging.errors import InputError
from staging.redaction import remember_secret


def find_emulator_token(address: str, environ: Mapping[str, str]) -> str:
    """Return the emulator's token, or "".

    "" where the emulator left none; InputError where it can't be read.
    """
    try:
        token = find_token(address, environ)
    except TokenError as exc:
        raise InputError(
            f"The token of the emulator at {address} can't be read.",
            why=str(exc),
            fix=f"Set {FILE_VARIABLE} to the file that the emulator named when it started.",
        ) from exc
    if token:
        remember_secret(token)
    return token
