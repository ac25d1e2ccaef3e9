"""What the pipeline file holds of secrets.

They never show themselves and are looked up as late as possible.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, ValidationInfo

from staging.config.secret_url import check_password, check_reference, is_elsewhere, look_up_text_in
from staging.redaction import remember_secret, remember_secrets_of

LookUp = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class SecretUrl:
    """A database URL that never shows itself.

    `reference` is what the pipeline file says: the URL, `env:NAME` or `file:/path`; where the file has the URL in
    parts, that of the password. It is looked up by `reveal`, as late as possible and only by the job that connects: a
    processor never looks. `spell` makes the URL of what was looked up.
    """

    reference: str
    look_up: LookUp
    spell: LookUp = str.strip

    def __post_init__(self) -> None:
        """Remember a secret that the file itself holds.

        It is known from the beginning.
        """
        remember_secrets_of(self.reference)

    def reveal(self) -> str:
        """Return the URL with its password.

        InputError when the variable or file is missing. From then on `staging.redaction.redact` hides the password
        everywhere.
        """
        return remember_secrets_of(self.spell(self.look_up(self.reference)))

    def with_option(self, name: str, value: str) -> SecretUrl:
        """Return the URL with one option more."""

        def spell(text: str) -> str:
            url = self.spell(text)
            return f"{url}{'&' if '?' in url else '?'}{name}={value}"

        return replace(self, spell=spell)

    def __repr__(self) -> str:
        return "SecretUrl(…)"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class SecretPassword:
    """A password that never shows itself.

    `SecretUrl` of the same section looks it up.
    """

    reference: str
    look_up: LookUp

    def __post_init__(self) -> None:
        """Remember a secret that the file itself holds.

        It is known from the beginning.
        """
        if not is_elsewhere(self.reference):
            remember_secret(self.reference)

    def __repr__(self) -> str:
        return "SecretPassword(…)"

    __str__ = __repr__


def _secret_url(value: Any, info: ValidationInfo) -> SecretUrl:  # noqa: ANN401 - pydantic hands over whatever the file holds
    if isinstance(value, SecretUrl):
        return value
    if not isinstance(value, str) or not value.strip():
        raise ValueError("should be a database URL in quotes, or env:NAME, or file:/path")
    return SecretUrl(check_reference(value.strip()), _look_up(info))


def _secret_password(value: Any, info: ValidationInfo) -> SecretPassword:  # noqa: ANN401 - see above
    if isinstance(value, SecretPassword):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("should be env:NAME, or file:/path, or the password in quotes")
    return SecretPassword(check_password(value), _look_up(info))


def _look_up(info: ValidationInfo) -> LookUp:
    found: LookUp = (info.context or {}).get("look_up") or look_up_text_in(os.environ)
    return found


Url = Annotated[SecretUrl, PlainValidator(_secret_url), PlainSerializer(str)]
Password = Annotated[SecretPassword, PlainValidator(_secret_password), PlainSerializer(str)]
