"""Shows the settings of a pipeline, key by key.

With where each comes from; no secret is among them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from staging.config.file import Settings
from staging.config.notify import HookUrl
from staging.config.secret import SecretPassword, SecretUrl
from staging.config.secret_url import is_elsewhere
from staging.redaction import HIDDEN, redact


@dataclass(frozen=True, slots=True)
class Setting:
    """One key, its value, and where it comes from.

    The value as TOML would have it (None: not set).
    """

    key: str
    value: Any
    origin: str

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints of it."""
        return {"key": self.key, "value": self.value, "origin": self.origin}


def describe_settings(settings: Settings) -> list[Setting]:
    """Return all keys in the order of the reference."""
    return [Setting(".".join(key), _value(settings, key), origin) for key, origin in settings.origins.items()]


def format_settings(settings: Sequence[Setting], *, with_origin: bool) -> str:
    """Return a key a line.

    Those that are not set have nothing behind the equals sign.
    """
    lines = [
        f"{each.key} = {'' if each.value is None else json.dumps(each.value, ensure_ascii=False)}".rstrip()
        for each in settings
    ]
    if not with_origin:
        return "\n".join(lines)
    width = min(60, max(map(len, lines)))
    return "\n".join(f"{line.ljust(width)}  # {each.origin}" for line, each in zip(lines, settings, strict=True))


def _value(settings: Settings, key: tuple[str, ...]) -> Any:  # noqa: ANN401 - as the key has it
    found: Any = settings.pipeline
    for part in key:
        if isinstance(found, dict):
            found = found[part]
            continue
        fields = type(found).model_fields
        name = part if part in fields else next(name for name, field in fields.items() if field.alias == part)
        found = getattr(found, name)
    if isinstance(found, SecretUrl):
        return redact(found.reference)
    if isinstance(found, SecretPassword):
        return found.reference if is_elsewhere(found.reference) else HIDDEN
    if isinstance(found, HookUrl):
        return str(found) if found.startswith(("env:", "file:")) else HIDDEN
    return list(found) if isinstance(found, tuple) else found
