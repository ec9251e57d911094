"""The schema: numbered files that are applied once, and views and functions that are brought up to date each time.

A table's file is never changed once released: what comes later is another number. A file under `views/` is applied
again whenever its text, or a setting in it, has changed. Nothing here drops a row of what was counted.

On a cluster each statement runs on all replicas (`replication.py`), and the list of what was applied is a replicated
table. Every statement may run twice: if one reached only some replicas, the next migration repeats it.
"""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from string import Template
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from schemas.exits import EndError, Exit
from schemas.settings import Settings
from sinks.clickhouse.access import password_statements, unknown_hashes
from sinks.clickhouse.replication import STATEMENT_SETTINGS, ClusterError, check_cluster, check_engine, render
from streams.clickhouse.connection import connect

ACCESS: Final = "08_access"
#: Codes by which a server says that it keeps no users: access denied, and no storage for them.
_NO_USERS: Final = ("ode: 497.", "ode: 514.", "ode: 495.")
_COMMENT: Final = re.compile(r"^\s*--.*$", re.MULTILINE)
_END: Final = re.compile(r";\s*$", re.MULTILINE)

_LEDGER: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (name String, digest String, at DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = ReplacingMergeTree(at) ORDER BY name
""".strip()
_REPLICAS: Final = "SELECT shard_num, host_name FROM system.clusters WHERE cluster = {cluster:String}"
_ENGINE: Final = "SELECT engine FROM system.tables WHERE database = {database:String} AND name = 'schema_migrations'"


def statements(text: str) -> list[str]:
    """Split a file: a statement ends with a semicolon at a line's end; lines that begin with -- are comments."""
    return [part.strip() for part in _END.split(_COMMENT.sub("", text)) if part.strip()]


def _folder(name: str) -> dict[str, str]:
    found = files("sinks.clickhouse").joinpath(name).iterdir()
    texts = {each.name.removesuffix(".sql"): each.read_text("utf-8") for each in found if each.name.endswith(".sql")}
    return dict(sorted(texts.items()))


def migrate(settings: Settings) -> list[str]:
    """Bring ClickHouse's schema to this version, and return what was applied; a second run applies nothing.

    Raises EndError if a newer Pulssi made the schema, or if the cluster or its tables do not fit the settings; and
    clickhouse_connect's errors.
    """
    passwords = password_statements(settings)
    with connect(settings, database="") as client:
        _check_cluster(client, settings)
        _run(client, settings, f"CREATE DATABASE IF NOT EXISTS {settings.clickhouse_database}")
    with connect(settings) as client:
        _run(client, settings, _LEDGER)
        applied = {
            str(name): str(digest)
            for name, digest in client.query("SELECT name, digest FROM schema_migrations FINAL").result_rows
        }
        tables = _folder("migrations")
        newer = sorted(name for name in applied if name[:4].isdigit() and name not in tables)
        if newer:
            raise EndError(
                f"database {settings.clickhouse_database} was made by a newer Pulssi ({newer[-1]}): upgrade this one, "
                "or name another database in clickhouse_database",
                Exit.UNUSABLE,
            )
        done = [*_apply_tables(client, settings, tables, applied), *_apply_views(client, settings, applied)]
        return [*done, *_set_passwords(client, settings, passwords)]


def _set_passwords(client: Client, settings: Settings, passwords: list[str]) -> list[str]:
    """Set all passwords at each run: it is not known whether a file has changed since the last one."""
    try:
        for statement in passwords:
            _run(client, settings, statement)
    except DatabaseError as error:
        if not _keeps_no_users(error):
            raise
        return ["passwords skipped: this ClickHouse, or this user, cannot change users"]
    return []


def _keeps_no_users(error: DatabaseError) -> bool:
    return any(code in str(error) for code in _NO_USERS)


def _run(client: Client, settings: Settings, statement: str) -> None:
    cluster = settings.clickhouse_cluster
    client.command(render(statement, cluster), settings=STATEMENT_SETTINGS if cluster else None)


def _check_cluster(client: Client, settings: Settings) -> None:
    """Raise EndError if the cluster or the existing tables do not fit the settings."""
    cluster, database = settings.clickhouse_cluster, settings.clickhouse_database
    try:
        if cluster:
            known = [str(row[0]) for row in client.query("SELECT DISTINCT cluster FROM system.clusters").result_rows]
            replicas = [
                (int(shard), str(host))
                for shard, host in client.query(_REPLICAS, parameters={"cluster": cluster}).result_rows
            ]
            macros = [str(row[0]) for row in client.query("SELECT macro FROM system.macros").result_rows]
            check_cluster(cluster, known, replicas, macros)
        found = client.query(_ENGINE, parameters={"database": database}).result_rows
        check_engine(cluster, database, str(found[0][0]) if found else None)
    except ClusterError as error:
        raise EndError(str(error), Exit.UNUSABLE) from None


def _apply_tables(client: Client, settings: Settings, tables: dict[str, str], applied: dict[str, str]) -> list[str]:
    done = []
    for name, text in tables.items():
        if name in applied:
            continue
        for statement in statements(text):
            _run(client, settings, statement)
        _note(client, name, _digest(text))
        done.append(name)
    return done


def _apply_views(client: Client, settings: Settings, applied: dict[str, str]) -> list[str]:
    done = []
    names = {"time_zone": settings.time_zone, "database": settings.clickhouse_database}
    for name, text in _folder("views").items():
        digest = _digest(Template(text).safe_substitute(names))
        if applied.get(name) == digest:
            continue
        made = {**names, **unknown_hashes()}
        try:
            for statement in statements(text):
                _run(client, settings, Template(statement).substitute(made))
        except DatabaseError as error:
            if name != ACCESS or not _keeps_no_users(error):
                raise
            if applied.get(name) != "skipped":
                _note(client, name, "skipped")
                done.append(f"{name} skipped: this ClickHouse, or this user, cannot create users")
            continue
        _note(client, name, digest)
        done.append(name)
    return done


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _note(client: Client, name: str, digest: str) -> None:
    client.insert("schema_migrations", [[name, digest]], column_names=["name", "digest"])
