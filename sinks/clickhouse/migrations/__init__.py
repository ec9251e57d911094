"""The schema: numbered files that are applied once, and views and functions that are brought up to date each time.

A table's file is never changed once released: what comes later is another number. A file under `views/` is applied
again whenever its text, or a setting in it, has changed. Nothing here drops a row of what was counted.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from importlib.resources import files
from string import Template
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from schemas.exits import EndError, Exit
from schemas.settings import Settings
from streams.clickhouse.connection import connect

ACCESS: Final = "08_access"
#: Codes by which a server says that it keeps no users: access denied, and no storage for them.
_NO_USERS: Final = ("ode: 497.", "ode: 514.", "ode: 495.")
_COMMENT: Final = re.compile(r"^\s*--.*$", re.MULTILINE)
_END: Final = re.compile(r";\s*$", re.MULTILINE)

_LEDGER: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (name String, digest String, at DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = ReplacingMergeTree(at) ORDER BY name
"""


def statements(text: str) -> list[str]:
    """Split a file: a statement ends with a semicolon at a line's end; lines that begin with -- are comments."""
    return [part.strip() for part in _END.split(_COMMENT.sub("", text)) if part.strip()]


def _folder(name: str) -> dict[str, str]:
    found = files("sinks.clickhouse").joinpath(name).iterdir()
    texts = {each.name.removesuffix(".sql"): each.read_text("utf-8") for each in found if each.name.endswith(".sql")}
    return dict(sorted(texts.items()))


def migrate(settings: Settings) -> list[str]:
    """Bring ClickHouse's schema to this version, and return what was applied; a second run applies nothing.

    Raises EndError where a newer Pulssi made the schema, and clickhouse_connect's errors.
    """
    with connect(settings, database="") as client:
        client.command(f"CREATE DATABASE IF NOT EXISTS {settings.clickhouse_database}")
    with connect(settings) as client:
        client.command(_LEDGER)
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
        return [*_apply_tables(client, tables, applied), *_apply_views(client, settings, applied)]


def _apply_tables(client: Client, tables: dict[str, str], applied: dict[str, str]) -> list[str]:
    done = []
    for name, text in tables.items():
        if name in applied:
            continue
        for statement in statements(text):
            client.command(statement)
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
        made = {**names, "reader_secret": secrets.token_urlsafe(32), "writer_secret": secrets.token_urlsafe(32)}
        try:
            for statement in statements(text):
                client.command(Template(statement).substitute(made))
        except DatabaseError as error:
            if name != ACCESS or not any(code in str(error) for code in _NO_USERS):
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
