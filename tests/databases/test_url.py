"""What a URL's options become, and how one that can't be read is told: by its name, with no part of a secret."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from databases.mysql.url import driver_arguments, tls_mode
from databases.postgres.url import connect_parameters, conninfo
from databases.postgres.url import tls_mode as postgres_tls_mode
from databases.tls import TlsMode, tell_connection
from databases.url import parse_url
from staging.errors import InputError

SECRET = "canary"
MYSQL = f"mysql+pymysql://u:{SECRET}@h:3307/d"
POSTGRES = f"postgresql+psycopg://u:{SECRET}@h:5433/d"


def mysql(options: str) -> dict[str, object]:
    return driver_arguments(parse_url(f"{MYSQL}?{options}"))


def postgres(options: str, before: str = POSTGRES) -> dict[str, str]:
    return connect_parameters(parse_url(f"{before}?{options}"), "test")


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ("", TlsMode.PREFERRED),
        ("ssl_disabled=false", TlsMode.PREFERRED),
        ("ssl_disabled=0", TlsMode.PREFERRED),
        ("ssl_disabled=true", TlsMode.DISABLED),
        ("ssl=false", TlsMode.DISABLED),
        ("ssl=true", TlsMode.REQUIRED),
        ("ssl_mode=REQUIRED", TlsMode.REQUIRED),
        ("ssl-mode=required", TlsMode.REQUIRED),
        ("ssl_mode=DISABLED", TlsMode.DISABLED),
        ("ssl_mode=VERIFY_CA", TlsMode.VERIFY_CA),
        ("ssl_mode=VERIFY_IDENTITY", TlsMode.VERIFY_IDENTITY),
        ("ssl_mode=verify-full", TlsMode.VERIFY_IDENTITY),
        ("ssl_ca={ca}", TlsMode.VERIFY_IDENTITY),
        ("ssl_ca={ca}&ssl_check_hostname=false", TlsMode.VERIFY_CA),
        ("ssl_ca={ca}&ssl_verify_identity=false", TlsMode.VERIFY_CA),
        ("ssl_ca={ca}&ssl_mode=REQUIRED", TlsMode.REQUIRED),
        ("ssl_verify_identity=true", TlsMode.VERIFY_IDENTITY),
        ("ssl_verify_cert=true", TlsMode.VERIFY_CA),
    ],
)
def test_how_mysql_is_encrypted(options: str, mode: TlsMode) -> None:
    text = options.format(ca=ssl.get_default_verify_paths().openssl_cafile or "/etc/ssl/certs/ca-certificates.crt")
    if "{ca}" in options and not Path(text.partition("=")[2].partition("&")[0]).exists():
        text = options.format(ca="/etc/ssl/certs/ca-certificates.crt")
    assert tls_mode(parse_url(f"{MYSQL}?{text}")) is mode


def test_a_mode_of_mysql_s_is_what_the_driver_does() -> None:
    assert mysql("ssl_mode=DISABLED")["ssl_disabled"] is True
    assert "ssl" not in mysql("ssl_mode=PREFERRED")
    for mode, verify, host in (
        ("REQUIRED", ssl.CERT_NONE, False),
        ("VERIFY_CA", ssl.CERT_REQUIRED, False),
        ("VERIFY_IDENTITY", ssl.CERT_REQUIRED, True),
    ):
        context = mysql(f"ssl_mode={mode}")["ssl"]
        assert isinstance(context, ssl.SSLContext)
        assert (context.verify_mode, context.check_hostname) == (verify, host)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("ssl_key={file}", "`ssl_key` and no `ssl_cert`"),
        ("ssl_cert={file}&ssl_key={file}", "no certificate and key that can be read"),
        ("ssl_ca={file}", "no certificate that can be read"),
        ("ssl_mode=REQUIRED&ssl_cipher=JUNK", "names no cipher"),
        ("=1", "option whose name is not repeated here"),
    ],
)
def test_what_can_not_be_used_for_encryption_is_told_as_what_it_is(tmp_path: Path, options: str, told: str) -> None:
    (tmp_path / "file").write_text("no PEM", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        mysql(options.format(file=tmp_path / "file"))
    assert told in str(caught.value)


@pytest.mark.parametrize("options", ["charset=utf8", "charset=latin1", "use_unicode=0", "charset=ascii&autocommit=0"])
def test_no_option_changes_what_characters_become(options: str) -> None:
    found = mysql(options)
    assert (found["charset"], found["use_unicode"], found["autocommit"]) == ("utf8mb4", True, True)
    assert postgres("client_encoding=latin1")["client_encoding"] == "UTF8"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("ssl_mode=SURE", "ssl_mode"),
        ("ssl=perhaps", "ssl"),
        ("ssl_ca=/not/there.pem", "ssl_ca"),
        ("connect_timeout=abc", "connect_timeout"),
        ("connect_timeout=0", "connect_timeout"),
        ("connect_timeout=999999999", "connect_timeout"),  # PyMySQL itself takes no more than a year
        ("compress=1", "compress"),
        ("init_command=SET%20NAMES%20latin1", "init_command"),
        ("read_default_file=/etc/my.cnf", "read_default_file"),
        ("wibble=1", "wibble"),
        ("charset=utf8&charset=latin1", "charset"),
    ],
)
def test_an_option_of_mysql_s_that_can_not_be_used_is_named_without_its_value(options: str, named: str) -> None:
    with pytest.raises(InputError) as caught:
        mysql(options)
    told = str(caught.value)
    assert f"`{named}`" in told
    assert SECRET not in told
    value = options.partition("=")[2].partition("&")[0]
    assert len(value) == 1 or value not in told


@pytest.mark.parametrize(
    "options",
    ["ssl=true&ssl_disabled=true", "ssl=false&ssl_verify_identity=true", "ssl_disabled=false&ssl=false"],
)
def test_mysql_s_options_that_ask_for_tls_and_for_none_are_refused(options: str) -> None:
    with pytest.raises(InputError, match=r"asks for TLS by `.*`, and for none by `"):
        mysql(options)
    assert mysql(f"{options}&ssl_mode=DISABLED")["ssl_disabled"] is True
    assert mysql(f"{options}&ssl_mode=REQUIRED")["ssl"] is not None


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("sslmode=sure", "sslmode"),
        ("ssl_mode=sure", "ssl_mode"),
        ("sslrootcert=/not/there.pem", "sslrootcert"),
        ("target_session_attrs=mine", "target_session_attrs"),
        ("connect_timeout=abc", "connect_timeout"),
        ("password=canary", "password"),
        ("wibble=1", "wibble"),
    ],
)
def test_an_option_of_postgres_s_that_can_not_be_used_is_named_without_its_value(options: str, named: str) -> None:
    with pytest.raises(InputError) as caught:
        postgres(options)
    assert f"`{named}`" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "sslmode"),
    [
        ("sslmode=require", "require"),
        ("ssl=true", "require"),
        ("ssl=false", "disable"),
        ("ssl_mode=VERIFY_IDENTITY", "verify-full"),
        ("ssl-mode=VERIFY_CA", "verify-ca"),
        ("sslmode=verify-full&ssl=false", "verify-full"),
    ],
)
def test_how_postgres_is_encrypted(options: str, sslmode: str) -> None:
    assert postgres(options)["sslmode"] == sslmode
    assert postgres_tls_mode(parse_url(f"{POSTGRES}?{options}")).value == sslmode


@pytest.mark.parametrize(
    ("before", "options", "place"),
    [
        (POSTGRES, "", {"host": "h", "port": "5433"}),
        ("postgresql://u@/d", "host=/cloudsql/p:r:i", {"host": "/cloudsql/p:r:i"}),
        ("postgresql://u@/d", "host=a:1&host=b:2", {"host": "a,b", "port": "1,2"}),
        ("postgresql://u@/d", "host=a,b&port=1,2", {"host": "a,b", "port": "1,2"}),
        ("postgresql://u@/d", "host=a,b&port=5432", {"host": "a,b", "port": "5432,5432"}),
        ("postgresql://u@/d", "host=a&host=b:7", {"host": "a,b", "port": ",7"}),
        ("postgresql://u@/d", "host=[::1]:5&host=b", {"host": "::1,b", "port": "5,"}),
        ("postgresql://u@/d", "", {}),
        ("postgresql://u@a:1,b:2/d", "", {"host": "a,b", "port": "1,2"}),
    ],
)
def test_which_hosts_postgres_is_looked_for_at(before: str, options: str, place: dict[str, str]) -> None:
    found = postgres(options, before)
    assert {name: found[name] for name in ("host", "port", "hostaddr") if name in found} == place
    assert "dbname=d" in conninfo(found)


@pytest.mark.parametrize("options", ["host=a,b&port=1,2,3", "host=a:1&port=2", "host=a&port=x"])
def test_hosts_and_ports_that_do_not_fit_are_told(options: str) -> None:
    with pytest.raises(InputError, match="port"):
        postgres(options, "postgresql://u@/d")


def test_hosts_in_two_places_are_told() -> None:
    with pytest.raises(InputError, match="two places"):
        postgres("host=b")


@pytest.mark.parametrize(
    "text",
    [
        "mysql+pymysql://u:canary@ss/w@h/db",
        "mysql+pymysql://u:canary@ss@h/db",
        "mysql+pymysql://us/er:canary@h/db",
        "postgresql://u:canary@ss?x@host/db",
        "postgresql://u:p@canary?x@host",
        "mysql://u:canary%@h/d",
        "mysql://u:canary%zz@h/d",
    ],
)
def test_a_password_that_is_not_escaped_is_told_and_no_part_of_it_shown(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_url(text, "target.url")
    told = str(caught.value)
    assert "target.url" in told
    assert "%40" in told
    for part in ("canary", "ss", "/w"):
        assert part not in told.replace("password", "").replace("passed", "")


@pytest.mark.parametrize("url", ["mysql://h/d?ssl_mode=REQUIRED&ssl_ca=", "postgresql://h/d?ssl_ca&sslmode=require"])
def test_an_option_without_a_value_is_named_for_it_would_be_left_out(url: str) -> None:
    with pytest.raises(InputError, match=r"The option `ssl_ca` of source\.url has no value"):
        parse_url(url)


@pytest.mark.parametrize("place", ["a..b/d", f"{'a' * 64}/d", "a,b..c/d", "/d?host=a..b", "/d?host=a&host=.b"])
def test_a_host_that_can_not_be_is_told(place: str) -> None:
    with pytest.raises(InputError, match=r"source\.url names a host that can't be"):
        parse_url(f"postgresql://u:p@{place}")


@pytest.mark.parametrize(
    "place", ["[::1]:5432/d", "ö.example:1/d", "a:1,b:2/d", "/d?host=/cloudsql/p:r:i", "/d?host=a."]
)
def test_hosts_of_every_kind_are_taken(place: str) -> None:
    assert parse_url(f"postgresql://u:p@{place}").database == "d"


@pytest.mark.parametrize("place", ["u%00:p@h/d", "u:p%00@h/d", "u:p@h/d%00x", "u:p@h/d?application_name=%00"])
def test_a_nul_is_told_for_the_rest_would_be_left_out(place: str) -> None:
    with pytest.raises(InputError, match=r"source\.url holds a NUL"):
        parse_url(f"postgresql://{place}")


def test_what_is_escaped_is_read_as_it_was_meant() -> None:
    url = parse_url("mysql+pymysql://u%40x:p%40ss%2Fw%25%3A@h/d%40b")
    assert (url.username, url.password, url.database) == ("u@x", "p@ss/w%:", "d@b")
    assert parse_url("postgresql://u:p?ss@h/d").password == "p?ss"


def test_the_name_that_hosters_give_postgresql_is_taken() -> None:
    assert parse_url("postgres://u:p@h/d").get_backend_name() == "postgresql"


def test_what_doctor_says_of_a_connection() -> None:
    assert tell_connection(TlsMode.PREFERRED, "", "h:1") == "no TLS, to h:1"
    assert tell_connection(TlsMode.PREFERRED, "TLSv1.3", "h:1") == "TLSv1.3, the certificate was not checked, to h:1"
    assert tell_connection(TlsMode.VERIFY_IDENTITY, "TLSv1.3", "h:1").startswith("TLSv1.3, certificate and host name")
    assert tell_connection(TlsMode.DISABLED, "", "/run/mysqld.sock") == "no TLS, over /run/mysqld.sock"
    assert tell_connection(TlsMode.DISABLED, "", "") == "no TLS, over a Unix socket"


def test_an_application_s_name_may_be_the_user_s_own() -> None:
    assert postgres("application_name=nightly")["application_name"] == "nightly"
    assert make_url(POSTGRES).username == "u"


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
@pytest.mark.parametrize("before", [MYSQL, POSTGRES])
def test_a_port_that_can_not_be_is_told(before: str, port: str) -> None:
    scheme, _, rest = before.rpartition(":")
    with pytest.raises(InputError, match="port") as told:
        parse_url(f"{scheme}:{port}/{rest.partition('/')[2]}")
    assert "65535" in told.value.why
    assert SECRET not in str(told.value)
