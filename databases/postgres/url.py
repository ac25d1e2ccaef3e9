"""What a URL's options tell libpq.

A closed list, for psycopg and ADBC alike.

(PostgreSQL manual 34.1.2, "Parameter Key Words".) Hosts may be in the URL or in `host`, several with commas or by
repeating it, each with a port of its own; a path is the folder of a Unix socket.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg.conninfo import make_conninfo
from sqlalchemy.engine import URL

from databases.login_token import IAM, OPTION, check_login, fetch_token, refuse_unencrypted
from databases.tls import TlsMode, as_tls_mode
from databases.url import as_boolean, as_file, as_number, as_seconds, as_text, one_of, read_options
from staging.errors import InputError

CONNECT_SECONDS = 10
LINE = {"keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "4", "tcp_user_timeout": "30000"}
"""A silent line is given up after about half a minute (libpq; the kernel does it)."""

_SEVERAL = ("host", "port", "hostaddr")
OPTIONS = {
    OPTION: one_of(IAM),
    "host": as_text,
    "port": as_text,
    "hostaddr": as_text,
    "connect_timeout": as_seconds,
    "application_name": as_text,
    "fallback_application_name": as_text,
    "options": as_text,
    "target_session_attrs": one_of("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "load_balance_hosts": one_of("disable", "random"),
    "keepalives": as_boolean,
    "keepalives_idle": as_seconds,
    "keepalives_interval": as_seconds,
    "keepalives_count": as_number,
    "tcp_user_timeout": as_number,
    "sslmode": one_of("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "ssl_mode": as_tls_mode,
    "ssl": as_boolean,
    "sslnegotiation": one_of("postgres", "direct"),
    "sslrootcert": lambda text: text if text == "system" else as_file(text),
    "sslcert": as_file,
    "sslkey": as_file,
    "sslpassword": as_text,
    "sslcertmode": one_of("disable", "allow", "require"),
    "sslcrl": as_file,
    "sslcrldir": as_text,
    "sslsni": as_boolean,
    "ssl_min_protocol_version": one_of("TLSv1.2", "TLSv1.3"),
    "ssl_max_protocol_version": one_of("TLSv1.2", "TLSv1.3"),
    "channel_binding": one_of("disable", "prefer", "require"),
    "require_auth": as_text,
    "requirepeer": as_text,
    "passfile": as_file,
    "service": as_text,
    "gssencmode": one_of("disable", "prefer", "require"),
    "krbsrvname": as_text,
    # what changes nothing: every session is UTF-8
    "client_encoding": as_text,
}
_OURS = (OPTION, "sslmode", "host", "port", "hostaddr", "ssl_mode", "ssl", "client_encoding")


def connect_parameters(url: URL, application_name: str, key: str = "source.url") -> dict[str, str]:
    """Return libpq's parameters for this URL.

    InputError names an option that is not what it should be. Call it for each connection: a login by token fetches one.
    """
    options = read_options(url, key, OPTIONS, several=_SEVERAL)
    found = {
        "connect_timeout": str(CONNECT_SECONDS),
        "application_name": application_name,
        **LINE,
        **{name: _spell(value) for name, value in options.items() if name not in _OURS},
        **_place(url, options, key),
        **_tls(options, key),
        "client_encoding": "UTF8",
    }
    for name, value in (("user", url.username), ("password", url.password), ("dbname", url.database)):
        if value:
            found[name] = str(value)
    if OPTION in options:
        check_login(url, key)
        found["password"] = fetch_token(key)
    return found


def tls_mode(url: URL, key: str = "source.url") -> TlsMode:
    """Return how a connection to this URL is to be encrypted."""
    options = read_options(url, key, OPTIONS, several=_SEVERAL)
    word = _tls(options, key).get("sslmode", TlsMode.PREFERRED.value)
    return TlsMode.PREFERRED if word == "allow" else TlsMode(word)


def conninfo(parameters: Mapping[str, str]) -> str:
    """Return libpq's parameters as text of keywords and values, for ADBC."""
    return make_conninfo("", **parameters)


def _tls(options: Mapping[str, object], key: str) -> dict[str, str]:
    """A login by token is encrypted for certain."""
    said = _said_tls(options)
    if OPTION not in options:
        return said
    if said.get("sslmode") == TlsMode.DISABLED.value:
        raise refuse_unencrypted(key)
    return {"sslmode": TlsMode.REQUIRED.value} if said.get("sslmode") in (None, "allow", "prefer") else said


def _said_tls(options: Mapping[str, object]) -> dict[str, str]:
    """`sslmode` wins over other clients' words for it."""
    if "sslmode" in options:
        return {"sslmode": str(options["sslmode"])}
    if isinstance(mode := options.get("ssl_mode"), TlsMode):
        return {"sslmode": mode.value}
    if "ssl" in options:
        return {"sslmode": "require" if options["ssl"] else "disable"}
    return {}


def _place(url: URL, options: Mapping[str, object], key: str) -> dict[str, str]:
    """Return host, port and hostaddr, each with commas where there are several."""
    hosts, ports = _words(options.get("host")), _words(options.get("port"))
    if hosts and url.host:
        why = "One stands before the database's name, others in `host`."
        raise InputError(f"{key} names hosts in two places.", why=why, fix="Write all of them in `host`.")
    pairs = [_host_and_port(host) for host in hosts] or ([(url.host, str(url.port or ""))] if url.host else [])
    if ports:
        if len(ports) not in (1, len(pairs) or 1) or any(port for _, port in pairs):
            raise InputError(f"{key} does not say which port is whose.", fix="Write host=first:5432&host=second:5432.")
        pairs = [
            (host, ports[index] if len(ports) > 1 else ports[0]) for index, (host, _) in enumerate(pairs or [("", "")])
        ]
    if any(port and not port.isdigit() for _, port in pairs):
        raise InputError(f"The option `port` of {key} can't be read.", why="It should be a whole number.")
    place = {"host": ",".join(host for host, _ in pairs), "port": ",".join(port for _, port in pairs)}
    place["hostaddr"] = ",".join(_words(options.get("hostaddr")))
    if not url.host and not hosts and not ports and url.port:
        place["port"] = str(url.port)
    return {name: value for name, value in place.items() if value.strip(",")}


def _host_and_port(text: str) -> tuple[str, str]:
    """A path and an IPv6 address without brackets have colons of their own."""
    if text.startswith(("/", "@")) or (text.count(":") > 1 and not text.startswith("[")):
        return text, ""
    host, colon, port = text.rpartition(":")
    return (host.strip("[]"), port) if colon and not text.endswith("]") else (text.strip("[]"), "")


def _words(value: object) -> list[str]:
    return [word for text in (value if isinstance(value, list) else []) for word in str(text).split(",")]


def _spell(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
