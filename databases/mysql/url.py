"""What a URL's options tell PyMySQL: a closed list, for every job.

The URL does not decide character set and autocommit: every session is utf8mb4 and in autocommit
(`databases.mysql.session`), so `charset` and its like, which URLs for SQLAlchemy often have, change nothing.
"""

from __future__ import annotations

import ssl
from typing import Any

from sqlalchemy.engine import URL

from databases.login_token import IAM, OPTION, check_login, fetch_token, refuse_unencrypted
from databases.mysql.clear_password import PLUGIN, ClearPassword
from databases.mysql.driver import trust_any
from databases.tls import TlsMode, as_tls_mode
from databases.url import as_boolean, as_file, as_number, as_seconds, as_text, one_of, read_options
from staging.errors import InputError

CONNECT_SECONDS = 10


def _no_compression(text: str) -> bool:
    if as_boolean(text):
        raise ValueError("false: PyMySQL can't compress")
    return False


OPTIONS = {
    OPTION: one_of(IAM),
    "unix_socket": as_text,
    "bind_address": as_text,
    "program_name": as_text,
    "connect_timeout": as_seconds,
    "read_timeout": as_seconds,
    "write_timeout": as_seconds,
    "max_allowed_packet": as_number,
    "ssl": as_boolean,
    "ssl_mode": as_tls_mode,
    "ssl_disabled": as_boolean,
    "ssl_ca": as_file,
    "ssl_capath": as_text,
    "ssl_cert": as_file,
    "ssl_key": as_file,
    "ssl_key_password": as_text,
    "ssl_cipher": as_text,
    "ssl_check_hostname": as_boolean,
    "ssl_verify_cert": as_boolean,
    "ssl_verify_identity": as_boolean,
    # what changes nothing, see above
    "charset": as_text,
    "collation": as_text,
    "use_unicode": as_boolean,
    "autocommit": as_boolean,
    "local_infile": as_boolean,
    "compress": _no_compression,
}
_PASSED_ON = (
    *("unix_socket", "bind_address", "program_name", "max_allowed_packet"),
    *("connect_timeout", "read_timeout", "write_timeout"),
)


def driver_arguments(url: URL, key: str = "source.url") -> dict[str, Any]:
    """Return what `pymysql.connect` takes for this URL.

    InputError names an option that is not what it should be. Call it for each connection: a login by token fetches one.
    """
    options = _options(url, key)
    arguments: dict[str, Any] = {
        "host": url.host,
        "port": url.port or 0,
        "user": url.username,
        "password": "" if url.password is None else str(url.password).encode(),
        "database": url.database or None,
        "connect_timeout": CONNECT_SECONDS,
        "charset": "utf8mb4",
        "use_unicode": True,
        "autocommit": True,
        "local_infile": False,
        "auth_plugin_map": {PLUGIN: lambda connection: ClearPassword(connection, key)},
    }
    tls = _tls(options, key)
    if OPTION in options:
        check_login(url, key)
        arguments["password"] = fetch_token(key).encode()
    return arguments | {name: options[name] for name in _PASSED_ON if name in options} | tls


def tls_mode(url: URL, key: str = "source.url") -> TlsMode:
    """Return how a connection to this URL is to be encrypted."""
    return _mode(_options(url, key))


def place_of(url: URL, key: str = "source.url") -> str:
    """Return the Unix socket that the URL names, else host and port."""
    socket = read_options(url, key, OPTIONS).get("unix_socket")
    return str(socket) if socket else f"{url.host or 'localhost'}:{url.port or 3306}"


_AGAINST = {"ssl": False, "ssl_disabled": True}
_FOR = {"ssl": True, "ssl_disabled": False, "ssl_verify_cert": True, "ssl_verify_identity": True}


def _options(url: URL, key: str) -> dict[str, Any]:
    """Return the options; no two of them may disagree on TLS."""
    options = read_options(url, key, OPTIONS)
    against = [name for name, value in _AGAINST.items() if options.get(name) is value]
    demanding = [name for name, value in _FOR.items() if options.get(name) is value]
    if against and demanding and "ssl_mode" not in options:
        raise InputError(
            f"{key} asks for TLS by `{demanding[0]}`, and for none by `{against[0]}`.",
            fix="Leave one of them out, or say it by `ssl_mode`.",
        )
    return options


def _mode(options: dict[str, Any]) -> TlsMode:
    """A login by token is encrypted for certain."""
    mode = _said_mode(options)
    return TlsMode.REQUIRED if mode is TlsMode.PREFERRED and OPTION in options else mode


def _said_mode(options: dict[str, Any]) -> TlsMode:
    """`ssl_mode` wins over the driver's older options."""
    if mode := options.get("ssl_mode"):
        return TlsMode(mode)
    if options.get("ssl_disabled") or options.get("ssl") is False:
        return TlsMode.DISABLED
    names_authority = "ssl_ca" in options or "ssl_capath" in options
    if options.get("ssl_verify_identity") or (names_authority and options.get("ssl_check_hostname", True)):
        is_checked = options.get("ssl_verify_cert", True) and options.get("ssl_verify_identity", True)
        if is_checked:
            return TlsMode.VERIFY_IDENTITY
    if options.get("ssl_verify_cert", names_authority):
        return TlsMode.VERIFY_CA
    names_any = any(name in options for name in ("ssl", "ssl_ca", "ssl_cert", "ssl_key", "ssl_cipher"))
    return TlsMode.REQUIRED if names_any else TlsMode.PREFERRED


def _tls(options: dict[str, Any], key: str) -> dict[str, Any]:
    mode = _mode(options)
    if mode is TlsMode.DISABLED and OPTION in options:
        raise refuse_unencrypted(key)
    if mode is TlsMode.DISABLED:
        return {"ssl_disabled": True}
    if mode is TlsMode.PREFERRED:
        return {}  # PyMySQL takes what the server has
    return {"ssl": _context(options, mode, key)}


def _trust(options: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.get("ssl_ca"), capath=options.get("ssl_capath"))
    # Certificates that a server makes for itself fail the strict check.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


_WHY_NOT = {
    "ssl_ca": "The file holds no certificate that can be read.",
    "ssl_cert": "The files hold no certificate and key that can be read and belong together.",
    "ssl_cipher": "It names no cipher that this machine has.",
}
_HOW_TO = {
    "ssl_ca": "Name a file of certificates in PEM.",
    "ssl_cert": "Name files in PEM: `ssl_cert` with `ssl_key`, and `ssl_key_password` if the key is encrypted.",
    "ssl_cipher": "Leave it out, or write what `openssl ciphers` lists.",
}


def _context(options: dict[str, Any], mode: TlsMode, key: str) -> ssl.SSLContext:
    """Return a context that PyMySQL demands encryption with."""
    step = "ssl_ca"
    if "ssl_key" in options and "ssl_cert" not in options:
        raise InputError(
            f"{key} has the option `ssl_key` and no `ssl_cert`.", fix="Name both, or neither; `ssl_cert` may hold both."
        )
    try:
        is_checked = mode is not TlsMode.REQUIRED
        context = _trust(options) if is_checked or "ssl_ca" in options or "ssl_capath" in options else trust_any()
        context.check_hostname = mode is TlsMode.VERIFY_IDENTITY
        context.verify_mode = ssl.CERT_REQUIRED if is_checked else ssl.CERT_NONE
        if "ssl_cert" in options:
            step = "ssl_cert"
            context.load_cert_chain(options["ssl_cert"], options.get("ssl_key"), options.get("ssl_key_password", ""))
        if "ssl_cipher" in options:
            step = "ssl_cipher"
            context.set_ciphers(options["ssl_cipher"])
    except OSError as exc:  # ssl.SSLError is one
        raise InputError(
            f"The option `{step}` of {key} can't be used.",
            why=_WHY_NOT[step] if isinstance(exc, ssl.SSLError) else exc.strerror or _WHY_NOT[step],
            fix=_HOW_TO[step],
        ) from None
    return context
