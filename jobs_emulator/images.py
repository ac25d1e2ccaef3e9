"""The image table: which program runs for which container image.

The programs are local ones.

TOML, one table per image reference::

    pass_env = ["STORAGE_EMULATOR_HOST"]      # names a task may inherit from the emulator, besides PATH and its like

    [images."europe-docker.pkg.dev/acme/jobs/exporter"]
    entrypoint = ["python", "-m", "exporter"]
    cmd = ["--help"]                          # as in a Dockerfile: replaced by a job's args
    cwd = "checkout"                          # relative to this file; its own folder when left out
    env = { LOG_LEVEL = "info" }

    [secrets]                                 # what secret_key_ref resolves to: env:NAME, file:PATH or value:TEXT
    db-password = "env:DB_PASSWORD"

A reference without tag or digest matches all of them, so a definition with a changing tag deploys and runs here.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


class ImageTableError(ValueError):
    """The image table is wrong.

    The message lists every fault and where it is.
    """


@dataclass(frozen=True, slots=True)
class Image:
    """What a container image would contain: program, default arguments, folder, environment."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    cwd: str = "."
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageTable:
    """All images that may run, and what tasks get.

    What they inherit, and the secrets they may be given.
    """

    images: Mapping[str, Image]
    pass_env: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)

    def find(self, reference: str) -> Image | None:
        """The image of a reference.

        The very entry, else the entry without tag and digest.
        """
        exact = self.images.get(reference)
        return exact if exact is not None else self.images.get(_repository(reference))

    def describe(self) -> str:
        """All references, for an error that names what there is."""
        return ", ".join(sorted(self.images)) or "none at all"


def read_image_table(path: Path) -> ImageTable:
    """Parses the TOML file.

    ImageTableError with all its faults, OSError when it cannot be read.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as exc:
        raise ImageTableError(f"{path}: {exc}") from exc
    except UnicodeDecodeError as exc:
        raise ImageTableError(f"{path}: not UTF-8 text: {exc}") from exc
    return parse_image_table(document, folder=path.resolve().parent, origin=str(path))


def image_table(images: Mapping[str, Image | Mapping[str, Any] | Sequence[str]], **others: object) -> ImageTable:
    """A table from Python values.

    An `Image`, a mapping like a TOML table, or just the entrypoint as a list.
    """
    tables = {name: _as_table(value) for name, value in images.items()}
    return parse_image_table({"images": tables, **others}, folder=Path.cwd(), origin="images")


def parse_image_table(document: Mapping[str, Any], folder: Path, origin: str) -> ImageTable:
    """Checks a whole table; relative folders and files are taken from `folder`."""
    faults = [f"unknown key '{key}'" for key in document if key not in {"images", "pass_env", "secrets"}]
    pass_env = _strings(document.get("pass_env", []), "pass_env", faults)
    images: dict[str, Image] = {}
    tables = document.get("images", {})
    if not isinstance(tables, Mapping):
        faults.append("images: must be a table of image references")
        tables = {}
    for reference, table in tables.items():
        images[reference] = _parse_image(reference, table, folder, faults)
    secrets = {
        name: secret
        for name, text in _string_table(document.get("secrets", {}), "secrets", faults).items()
        if (secret := _read_secret(name, text, folder, faults)) is not None
    }
    if faults:
        raise ImageTableError(f"{origin}: " + "; ".join(faults))
    return ImageTable(images, pass_env, secrets)


def _as_table(value: Image | Mapping[str, Any] | Sequence[str]) -> object:
    if isinstance(value, Image):
        return asdict(value)
    return {"entrypoint": value} if isinstance(value, list | tuple) else value


def _parse_image(reference: str, table: object, folder: Path, faults: list[str]) -> Image:
    where = f"images.{reference}"
    if not isinstance(table, Mapping):
        faults.append(f"{where}: must be a table with entrypoint, cmd, cwd, env")
        return Image()
    faults += [f"{where}: unknown key '{key}'" for key in table if key not in {"entrypoint", "cmd", "cwd", "env"}]
    cwd = table.get("cwd", ".")
    if not isinstance(cwd, str):
        faults.append(f"{where}.cwd: must be a folder")
        cwd = "."
    resolved = folder / Path(cwd).expanduser()
    if not resolved.is_dir():
        faults.append(f"{where}.cwd: there is no folder {resolved}")
    return Image(
        _strings(table.get("entrypoint", []), f"{where}.entrypoint", faults),
        _strings(table.get("cmd", []), f"{where}.cmd", faults),
        str(resolved),
        _string_table(table.get("env", {}), f"{where}.env", faults),
    )


def _strings(value: object, where: str, faults: list[str]) -> tuple[str, ...]:
    items = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else (None,)
    strings = tuple(item for item in items if isinstance(item, str) and "\0" not in item)
    if len(strings) < len(items):
        faults.append(f"{where}: must be a list of strings")
    return strings


def _string_table(value: object, where: str, faults: list[str]) -> dict[str, str]:
    table: dict[str, Any] = dict(value) if isinstance(value, Mapping) else {"": None}
    if any(not isinstance(text, str) or "\0" in text for text in table.values()):
        faults.append(f"{where}: must be a table of strings")
        return {}
    return table


def _read_secret(name: str, text: str, folder: Path, faults: list[str]) -> str | None:
    kind, _, rest = text.partition(":")
    if kind == "value":
        return rest
    if kind == "env" and rest in os.environ:
        return os.environ[rest]
    if kind == "file" and (folder / rest).is_file():
        return (folder / rest).read_text(encoding="utf-8")
    # The text itself may be a secret that was written without its prefix: it is not repeated.
    faults.append(f"secrets.{name}: must be env:NAME of a variable that is set, file:PATH that exists, or value:TEXT")
    return None


def _repository(reference: str) -> str:
    """`host:5000/a/b:tag@sha256:…` → `host:5000/a/b`: a colon before the last slash is a port."""
    without_digest = reference.partition("@")[0]
    head, slash, last = without_digest.rpartition("/")
    return head + slash + last.partition(":")[0]
