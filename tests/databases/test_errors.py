"""What each error of each server means, by tables that were gone through line by line."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg.errors
import pymysql
import pytest
from pymysql.constants import CR, ER
from sqlalchemy.engine import make_url

from databases.errors import NOT_KNOWN, Kind, Meaning
from databases.mysql.errors import meaning_of as mysql_meaning
from databases.mysql.errors import meaning_of_number
from databases.postgres.errors import meaning_of as postgres_meaning
from databases.postgres.errors import meaning_of_state
from databases.sqlite.errors import meaning_of_code
from exporter.mysql.errors import translate_error as mysql_source_error
from exporter.postgres.errors import translate_error as postgres_source_error
from loader.target.errors import load_error
from staging.errors import ExitCode
from tests.servers.mysql import MysqlServer

HERE = Path(__file__).parent
MYSQL = [line.split("\t") for line in (HERE / "mysql" / "verdicts.tsv").read_text().splitlines()]
POSTGRES = [line.split("\t") for line in (HERE / "postgres" / "verdicts.tsv").read_text().splitlines()]
URL = make_url("mysql+pymysql://shop@db.example/shop")
SERVERS = {"mysql": (False,), "mariadb": (True,), "both": (False, True), "client": (False, True)}
NEW_NUMBER, NEW_STATE = 7654, "ZZ999"


def test_every_number_of_mysql_and_mariadb_has_the_verdict_that_stands_in_the_table() -> None:
    wrong = [
        (number, name, is_mariadb, kind)
        for number, server, name, kind in MYSQL
        for is_mariadb in SERVERS[server]
        if meaning_of_number(int(number), is_mariadb=is_mariadb).kind is not Kind(kind)
    ]
    assert not wrong


def test_every_number_that_the_driver_knows_stands_in_the_table() -> None:
    listed = {int(number) for number, *_ in MYSQL}
    names = {**vars(ER), **{name: value for name, value in vars(CR).items() if name.startswith("CR_")}}
    known = {value: name for name, value in names.items() if isinstance(value, int)}
    borders = {"CR_ERROR_FIRST", "CR_ERROR_LAST", "CR_MIN_ERROR", "CR_MAX_ERROR", "ERROR_FIRST", "ERROR_LAST"}
    assert not {number: name for number, name in known.items() if number not in listed and name not in borders}


def test_every_sqlstate_has_the_verdict_that_stands_in_the_table() -> None:
    wrong = [line for line in POSTGRES if meaning_of_state(line[0]).kind is not Kind(line[2])]
    assert not wrong
    errors = (getattr(psycopg.errors, name) for name in dir(psycopg.errors))
    states = {state for each in errors if isinstance(state := getattr(each, "sqlstate", None), str)}
    assert states == {line[0] for line in POSTGRES}


def test_what_nobody_knows_may_pass_and_has_no_advice_for_either_job() -> None:
    assert meaning_of_number(NEW_NUMBER) == meaning_of_state(NEW_STATE) == meaning_of_code("SQLITE_NEW") == NOT_KNOWN
    error = pymysql.err.OperationalError(NEW_NUMBER, "the moon is in the way")
    for doing in ("connect", "read the day"):
        ours = mysql_source_error(error, doing, URL)
        assert (ours.exit_code, ours.fix) == (ExitCode.UNAVAILABLE, "")
        assert "the moon is in the way" in ours.why
    theirs = load_error(mysql_meaning(error), "MySQL", why="the moon is in the way")
    assert (theirs.exit_code, theirs.fix, theirs.why) == (ExitCode.UNAVAILABLE, "", "the moon is in the way")


def test_both_jobs_end_in_the_same_way_by_the_same_number() -> None:
    """But for a source that is asked to write: its session is read-only on purpose."""
    differ = []
    for number, _, name, _ in MYSQL:
        error = pymysql.err.OperationalError(int(number), "said the server of read_only")
        source = mysql_source_error(error, "read the day", URL)
        meaning = mysql_meaning(error)
        target = load_error(meaning, "MySQL", why="said the server")
        if source.exit_code is not target.exit_code and meaning.kind is not Kind.READ_ONLY:
            differ.append((number, name, source.exit_code, target.exit_code))
    assert not differ


def test_both_jobs_end_in_the_same_way_by_the_same_sqlstate() -> None:
    differ = []
    for state, name, _ in POSTGRES:
        error = psycopg.errors.lookup(state)("said the server")
        meaning = postgres_meaning(error)
        source = postgres_source_error(error, "read the day", URL)
        target = load_error(meaning, "PostgreSQL", why="said the server")
        if source.exit_code is not target.exit_code and meaning.kind is not Kind.READ_ONLY:
            differ.append((state, name, source.exit_code, target.exit_code))
    assert not differ


@pytest.mark.parametrize(
    ("number", "text", "code", "kind"),
    [
        (0, "", ExitCode.UNAVAILABLE, Kind.LOST),
        (1041, "Out of memory", ExitCode.UNAVAILABLE, Kind.FULL),
        (1079, "Shutdown complete", ExitCode.UNAVAILABLE, Kind.LOST),
        (1129, "Host is blocked", ExitCode.UNAVAILABLE, Kind.UNREACHABLE),
        (1135, "Can't create a new thread", ExitCode.UNAVAILABLE, Kind.FULL),
        (2000, "Unknown MySQL error", ExitCode.UNAVAILABLE, Kind.UNKNOWN),
        (2012, "Error in server handshake", ExitCode.UNAVAILABLE, Kind.UNREACHABLE),
        (1064, "You have an error in your SQL syntax", ExitCode.INPUT, Kind.STATEMENT),
        (3159, "Connections using insecure transport are prohibited", ExitCode.INPUT, Kind.TLS),
        (3118, "Account is locked.", ExitCode.INPUT, Kind.LOGIN),
        (1862, "Your password has expired.", ExitCode.INPUT, Kind.LOGIN),
        (3032, "The server is currently in offline mode", ExitCode.UNAVAILABLE, Kind.UNREACHABLE),
        (1203, "User shop already has more than 'max_user_connections'", ExitCode.INPUT, Kind.ACCOUNT_LIMIT),
        (1226, "User 'shop' has exceeded the 'max_user_connections' resource", ExitCode.INPUT, Kind.ACCOUNT_LIMIT),
        (1226, "User 'shop' has exceeded the 'max_queries_per_hour' resource", ExitCode.UNAVAILABLE, Kind.CROWDED),
        (1290, "running with the --read-only option", ExitCode.UNAVAILABLE, Kind.READ_ONLY),
        (1290, "running with the --secure-file-priv option", ExitCode.INPUT, Kind.SETTING),
        (1104, "The SELECT would examine more than MAX_JOIN_SIZE rows", ExitCode.INPUT, Kind.SETTING),
        (1345, "EXPLAIN/SHOW can not be issued", ExitCode.INPUT, Kind.RIGHT),
        (1665, "binlog_format = STATEMENT", ExitCode.INPUT, Kind.SETTING),
        (1644, "no writes on Sundays", ExitCode.INPUT, Kind.RAISED),
        (1062, "Duplicate entry", ExitCode.INTEGRITY, Kind.KEY_TWICE),
        (1712, "Index is corrupted", ExitCode.INTEGRITY, Kind.DAMAGED),
        (2003, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", ExitCode.INPUT, Kind.TLS),
        (1034, "Incorrect key file for table '/tmp/#sql_1_0.MAI'", ExitCode.UNAVAILABLE, Kind.FULL),
        (1030, "Got error 28 'No space left on device' from storage engine", ExitCode.UNAVAILABLE, Kind.FULL),
    ],
)  # fmt: skip
def test_a_number_means(number: int, text: str, code: ExitCode, kind: Kind) -> None:
    error = pymysql.err.OperationalError(number, text)
    meaning = mysql_meaning(error)
    assert meaning.kind is kind
    assert load_error(meaning, "MySQL", why=text).exit_code is code


def test_one_number_means_what_its_own_server_says_by_it() -> None:
    assert meaning_of_number(4025, is_mariadb=True).kind is Kind.VALUE  # a CHECK
    assert meaning_of_number(4025, is_mariadb=False) == NOT_KNOWN  # a size of InnoDB's files
    assert meaning_of_number(4031, is_mariadb=False).kind is Kind.LOST
    assert meaning_of_number(4031, is_mariadb=True) == NOT_KNOWN


def test_an_init_connect_that_fails_is_told_and_not_whether_the_server_is_up() -> None:
    said = "Aborted connection 8 to db: 'd' user: 'u' host: 'h' (init_connect command failed)"
    for doing in ("connect", "read the day"):
        ours = mysql_source_error(pymysql.err.OperationalError(1184, said), doing, URL)
        assert "`init_connect`" in ours.fix
    other = mysql_source_error(
        pymysql.err.OperationalError(1184, said.replace("init_connect", "other")), "connect", URL
    )
    assert "`init_connect`" not in other.fix


def test_a_trigger_s_own_words_are_told_and_no_advice_beside_them() -> None:
    ours = load_error(Meaning(Kind.RAISED), "MySQL", why="no writes on Sundays (1644)")
    assert (ours.why, ours.fix) == ("no writes on Sundays (1644)", "")


def test_while_connecting_no_advice_is_on_columns_or_the_condition() -> None:
    for number, *_ in MYSQL:
        ours = mysql_source_error(pymysql.err.OperationalError(int(number), "said the server"), "connect", URL)
        assert "source.where" not in ours.fix, number


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ('FATAL:  too many connections for role "shop"', Kind.ACCOUNT_LIMIT),
        ("FATAL:  sorry, too many clients already", Kind.CROWDED),
        ('FATAL:  password authentication failed for user "shop"', Kind.LOGIN),
        ("FATAL:  the database system is starting up", Kind.UNREACHABLE),
        ('root certificate file "/x" does not exist', Kind.TLS),
        ('server certificate for "db" does not match host name "localhost"', Kind.TLS),
        ("SSL error: certificate verify failed", Kind.TLS),
        ("server does not support SSL, but SSL was required", Kind.TLS),
        ("connection to server failed: Connection refused", Kind.UNREACHABLE),
        ("ERROR: canceling statement due to conflict with recovery", Kind.CONTENDED),
        ("ERROR: cannot execute DELETE in a read-only transaction", Kind.READ_ONLY),
        ('connection is bad: definition of service "x" not found', Kind.LOGIN),
        ('connection is bad: could not parse network address "localhost": Name or service not known', Kind.LOGIN),
        *(
            (f'connection failed: connection to server at "h", port 5432 failed: FATAL: {said}', Kind.SETTING)
            for said in (
                'unrecognized configuration parameter "nonsense"',
                'invalid command-line argument for server process: garbage HINT: Try "postgres --help"',
                'parameter "max_connections" cannot be changed without restarting the server',
                'invalid value for parameter "work_mem": "abc"',
                'permission denied to set parameter "log_statement"',
                'permission denied to set session authorization "x"',
                '-5 ms is outside the valid range for parameter "statement_timeout" (0 .. 2147483647)',
                "-c work_mem requires a value",
                'could not access file "$libdir/plugins/x": No such file or directory',
            )
        ),
        ('authentication method requirement "md5" failed: server requested SASL authentication', Kind.LOGIN),
        ("channel binding required, but SSL not in use", Kind.LOGIN),
        ("FATAL:  in words that nobody has read before", Kind.UNKNOWN),
    ],
)  # fmt: skip
def test_a_failed_connection_is_known_by_its_words(said: str, kind: Kind) -> None:
    assert postgres_meaning(psycopg.OperationalError(said)).kind is kind


def test_every_result_code_of_sqlite_has_a_verdict_on_purpose() -> None:
    codes = {name for name in dir(sqlite3) if name.startswith("SQLITE_") and isinstance(getattr(sqlite3, name), int)}
    errors = {name for name in codes if any(name.startswith(primary) for primary in SQLITE_ERRORS)}
    assert {name for name in errors if meaning_of_code(name).kind is Kind.UNKNOWN} == {
        name for name in errors if name.startswith(tuple(SQLITE_UNKNOWN))
    }


SQLITE_UNKNOWN = {"SQLITE_INTERNAL", "SQLITE_NOLFS", "SQLITE_FORMAT", "SQLITE_PROTOCOL", "SQLITE_EMPTY"}
SQLITE_UNKNOWN |= {"SQLITE_NOTFOUND", "SQLITE_MISUSE"}
SQLITE_ERRORS = SQLITE_UNKNOWN | {
    *("SQLITE_ERROR", "SQLITE_PERM", "SQLITE_ABORT", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_NOMEM", "SQLITE_READONLY"),
    *("SQLITE_INTERRUPT", "SQLITE_IOERR", "SQLITE_CORRUPT", "SQLITE_FULL", "SQLITE_CANTOPEN", "SQLITE_SCHEMA"),
    *("SQLITE_TOOBIG", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_AUTH", "SQLITE_RANGE", "SQLITE_NOTADB"),
}


@pytest.mark.integration
def test_every_number_that_a_real_mysql_may_send_stands_in_the_table(mysql_server: MysqlServer) -> None:
    """Those from 10,000 on are for the server's own log."""
    asked = (
        "SELECT error_number, error_name FROM performance_schema.events_errors_summary_global_by_error "
        "WHERE error_number < 10000"
    )
    with mysql_server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(asked)
        known = dict(cursor.fetchall())
    listed = {int(number) for number, server, *_ in MYSQL if server != "client"}
    assert len(known) > 1000
    assert not {number: name for number, name in known.items() if number not in listed}


def test_a_server_behind_postgresql_is_not_taken_for_our_own() -> None:
    error = psycopg.errors.SqlclientUnableToEstablishSqlconnection('could not connect to server "far"')
    ours = postgres_source_error(error, "look at the day", make_url("postgresql+psycopg://h/d"))
    assert ours.exit_code == ExitCode.UNAVAILABLE
    assert "USER MAPPING" in ours.fix
    assert "is the server up" not in ours.fix
