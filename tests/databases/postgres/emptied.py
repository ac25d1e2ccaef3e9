"""Empties a PostgreSQL database for the next test, which costs a sixth of dropping it and creating another.

Only one that is in every way as a fresh one is used again: `fingerprint` counts what catalogs hold, with all grants,
settings, prepared transactions and slots. Else it is dropped.
"""

from __future__ import annotations

import psycopg

_Connection = psycopg.Connection[tuple[object, ...]]

# Catalogs whose rows are of one database, with the column that holds their grants.
_GRANTS = {
    "pg_attribute": "attacl",
    "pg_class": "relacl",
    "pg_default_acl": "defaclacl",
    "pg_foreign_data_wrapper": "fdwacl",
    "pg_foreign_server": "srvacl",
    "pg_language": "lanacl",
    "pg_largeobject_metadata": "lomacl",
    "pg_namespace": "nspacl",
    "pg_proc": "proacl",
    "pg_type": "typacl",
}
_WITHOUT_GRANTS = (
    *("pg_am", "pg_attrdef", "pg_cast", "pg_collation", "pg_constraint", "pg_conversion", "pg_event_trigger"),
    *("pg_extension", "pg_inherits", "pg_opclass", "pg_operator", "pg_policy", "pg_publication", "pg_rewrite"),
    *("pg_statistic_ext", "pg_transform", "pg_trigger", "pg_ts_config", "pg_ts_dict", "pg_user_mapping"),
)
_NO_TEMPORARY = {"pg_namespace": " WHERE nspname !~ '^pg_(toast_)?temp_'"}
"""A session that made a temporary table leaves its empty schema to the next one."""
_OWN = "(SELECT oid FROM pg_database WHERE datname = current_database())"
_NO_VACUUM = "AND backend_type <> 'autovacuum worker'"
_SHARED = (
    f"SELECT datdba, encoding, datconnlimit, datallowconn, datistemplate, datacl FROM pg_database WHERE oid = {_OWN}",
    f"SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = {_OWN}",
    f"SELECT count(*) FROM pg_shdepend WHERE dbid = {_OWN}",
    f"SELECT count(*) FROM pg_subscription WHERE subdbid = {_OWN}",
    "SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()",
    "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()",
    f"SELECT count(*) FROM pg_stat_activity WHERE datid = {_OWN} AND pid <> pg_backend_pid() {_NO_VACUUM}",
)
_FINGERPRINT = "SELECT concat_ws(' ', {})".format(
    ", ".join(
        f"(SELECT each::text FROM ({query}) AS each)"
        for query in (
            *(
                f"SELECT count(*), count({grants}), sum(hashtext({grants}::text)) FROM {catalog}"
                + _NO_TEMPORARY.get(catalog, "")
                for catalog, grants in _GRANTS.items()
            ),
            *(f"SELECT count(*) FROM {catalog}" for catalog in _WITHOUT_GRANTS),
            *_SHARED,
        )
    )
)
_PATIENCE_MS = 2000


def fingerprint(connection: _Connection) -> object:
    """Return what is to be the same in any two databases that are empty."""
    connection.execute("SET jit = off")  # the estimate is a thousand times the cost
    row = connection.execute(_FINGERPRINT).fetchone()
    assert row is not None
    return row[0]


def empty(connection: _Connection) -> None:
    """End whoever else is connected, drop all schemas, and make `public` as the server's own template has it."""
    # What a prepared transaction holds, nobody can drop.
    connection.execute(f"SET lock_timeout = {_PATIENCE_MS}")
    connection.execute(
        f"SELECT pg_terminate_backend(pid, {_PATIENCE_MS}) FROM pg_stat_activity"
        f" WHERE datid = {_OWN} AND pid <> pg_backend_pid()"
    )
    own = connection.execute(
        "SELECT string_agg(quote_ident(nspname), ', ') FROM pg_namespace"
        " WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
    ).fetchone()
    assert own is not None
    connection.execute("SET client_min_messages = error")
    if own[0] is not None:
        connection.execute(f"DROP SCHEMA {own[0]} CASCADE")
    connection.execute("CREATE SCHEMA public AUTHORIZATION pg_database_owner")
    connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
    connection.execute("COMMENT ON SCHEMA public IS 'standard public schema'")
