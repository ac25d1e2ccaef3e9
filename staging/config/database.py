"""What `[source]` and `[target]` both say of a database.

Its URL, or the parts of one.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from staging.config.checks import missing_key
from staging.config.secret import Password, SecretUrl, Url
from staging.config.section import Name, Section
from staging.config.url_parts import Dialect, Tls, UrlParts, check_host
from staging.errors import InputError

PARTS = ("dialect", "host", "port", "user", "password", "database", "tls", "tls_ca", "tls_cert", "tls_key")
"""The keys that take the place of `url`."""
WITHHELD = "env:PENSTOCK_URL_IS_WITHHELD"
"""Replaces the URL of a database that a job must not reach: looking it up fails and says so."""


class DatabaseSection(Section):
    """A section whose rows lie in a table.

    Unless a key of `elsewhere` says that they don't. A section has these keys behind those of `elsewhere`, another base
    of it, which are looked at first.
    """

    section: ClassVar[str]
    elsewhere: ClassVar[tuple[str, ...]]
    rows_go: ClassVar[str]

    dialect: Dialect | None = None
    host: Annotated[Name, AfterValidator(check_host)] | None = None
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    user: Name | None = None
    password: Password | None = None
    database: Name | None = None
    tls: Tls | None = None
    tls_ca: Name | None = None
    tls_cert: Name | None = None
    tls_key: Name | None = None
    login: Literal["iam"] | None = None
    """A token is the password: a short-lived one, fetched for each connection (`databases.login_token`)."""
    url_: Url | None = Field(default=None, alias="url", validate_default=True)
    table_: Name | None = Field(default=None, alias="table", validate_default=True)
    schema_: str | None = Field(default=None, alias="schema")

    @property
    def is_database(self) -> bool:
        """Whether the rows lie in a table."""
        return all(getattr(self, key) is None for key in self.elsewhere)

    @property
    def place(self) -> str:
        """Where the rows lie, as a sentence begins with it."""
        raise NotImplementedError

    @property
    def secret_key(self) -> str:
        """The key that holds what is looked up to connect.

        `url`, or `password` where the URL is in parts.
        """
        return "url" if self.url_ is not None else "password"

    @property
    def url(self) -> SecretUrl:
        """The database's URL; InputError where the rows lie somewhere else."""
        if self.url_ is not None:
            return self.url_ if self.login is None else self.url_.with_option("login", self.login)
        if self.dialect is None or self.host is None:
            raise self._no("database")
        files = {name: getattr(self, name) for name in ("tls", "tls_ca", "tls_cert", "tls_key")}
        tls = {name: value for name, value in (files | {"login": self.login}).items() if value is not None}
        parts = UrlParts(self.dialect, self.host, self.port, self.user, self.database, tls)
        if self.password is None:
            return SecretUrl("", str, lambda _: parts.spell(None))
        return SecretUrl(self.password.reference, self.password.look_up, parts.spell)

    @property
    def table(self) -> str:
        """The table's name; InputError where the rows lie somewhere else."""
        if self.table_ is None:
            raise self._no("table")
        return self.table_

    def is_in_the_database_of(self, other: DatabaseSection) -> bool:
        """Return whether both say the same database in the same words."""
        place = ("dialect", "host", "port", "database")
        here, there = ([getattr(each, name) for name in place] for each in (self, other))
        urls = [None if each.url_ is None else each.url_.reference for each in (self, other)]
        return here == there and urls[0] == urls[1] != WITHHELD

    def table_parts(self) -> tuple[str | None, str]:
        """Return (schema or None, table).

        The first dot splits, unless `schema` is given (even empty).
        """
        return split_table(self.table, self.schema_)

    @field_validator("url_", "table_", "where", check_fields=False)
    @classmethod
    def _belongs_to_a_database(cls, value: object, info: ValidationInfo) -> object:
        other = next((key for key in cls.elsewhere if info.data.get(key) is not None), None)
        parts = [key for key in PARTS if info.data.get(key) is not None]
        if value is not None and other is not None:
            raise ValueError(f"is for a table; with {other} rows {cls.rows_go}, so leave it out")
        if info.field_name == "url_" and value is not None and parts:
            raise ValueError(f"stands beside {', '.join(parts)}; write the URL or its parts, not both")
        if value is None and other is None and info.field_name != "where" and info.data.keys() >= set(cls.elsewhere):
            if info.field_name == "url_" and (parts or not info.data.keys() >= set(PARTS)):
                return value
            raise missing_key("so are its parts: dialect, host …" if info.field_name == "url_" else "")
        return value

    @model_validator(mode="after")
    def _login_is_possible(self) -> Self:
        if self.login is None:
            return self
        if not self.is_database:
            raise ValueError(f"has login, for a table; its rows {self.rows_go}, so leave that out")
        if self.password is not None:
            raise ValueError('has password and login = "iam"; a token is the password then, so leave one of them out')
        if self.tls == "DISABLED":
            raise ValueError('has login = "iam" and tls = "DISABLED"; a token is sent over TLS alone')
        return self

    @model_validator(mode="after")
    def _parts_are_a_url(self) -> Self:
        given = [key for key in PARTS if getattr(self, key) is not None]
        if not given:
            return self
        if not self.is_database:
            raise ValueError(f"has {', '.join(given)}, for a table; its rows {self.rows_go}, so leave that out")
        if missing := [key for key in ("dialect", "host") if key not in given]:
            raise ValueError(f"has {', '.join(given)}, parts of a URL, but no {' and no '.join(missing)}")
        if self.dialect != "postgresql" and "," in (self.host or ""):
            raise ValueError("has several hosts in host; only PostgreSQL's client can choose among them")
        if self.tls_ca is not None and self.tls not in ("VERIFY_CA", "VERIFY_IDENTITY"):
            raise ValueError('has tls_ca, which is looked at only with tls = "VERIFY_CA" or "VERIFY_IDENTITY"')
        if self.tls_cert is not None and self.tls in (None, "DISABLED", "PREFERRED"):
            raise ValueError('has tls_cert, which is shown for certain only with tls = "REQUIRED" or more')
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("has one of tls_cert and tls_key; a certificate goes with its key")
        return self

    def _no(self, what: str) -> InputError:
        return InputError(
            f"The {self.section} of this pipeline is no {what} but {self.place}.", fix="This works for tables only."
        )


def split_table(table: str, schema: str | None) -> tuple[str | None, str]:
    """Split a table's name into schema and table.

    `a.b.c` is table `b.c` in schema `a`; with `schema` given the whole text is the table's name.
    """
    if schema is not None:
        return schema or None, table
    before, dot, after = table.partition(".")
    return (before, after) if dot else (None, table)
