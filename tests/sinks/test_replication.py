"""The schema on a cluster: every statement for all replicas, as ClickHouse's own parser reads it; what is refused."""

import re
from pathlib import Path
from string import Template
from typing import Final, Self

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from deploy.embedded.clickhouse.engine import quote
from schemas.exits import EndError
from schemas.settings import Settings
from sinks.clickhouse import migrations
from sinks.clickhouse.access import PASSWORD_FILES, password_statements, unknown_hashes
from sinks.clickhouse.migrations import migrate, statements
from sinks.clickhouse.replication import MACROS, STATEMENT_SETTINGS, ClusterError, check_cluster, check_engine, render
from streams.clickhouse.connection import cluster_settings, connect, is_unavailable
from streams.configuration.environment import load_settings
from tests.fixtures.clickhouse import ClickHouseServer

NAMES: Final = {"time_zone": "Europe/Helsinki", "database": "pulssi"} | unknown_hashes()
#: Every statement of the schema by its file and number.
STATEMENTS: Final = {
    f"{name}-{number}": Template(statement).substitute(NAMES)
    for folder in ("migrations", "views")
    for name, text in migrations._folder(folder).items()  # noqa: SLF001 - what is applied
    for number, statement in enumerate(statements(text))
}
TWO: Final = ((1, "a"), (1, "b"))


@pytest.fixture(scope="module")
def parser(clickhouse_server: ClickHouseServer) -> Client:
    """Return a client of an engine that reads statements."""
    return clickhouse_server.client()


def _canonical(parser: Client, statement: str) -> str:
    """Return a statement as ClickHouse's parser understands it. Raises DatabaseError where it does not."""
    return str(parser.query(f"SELECT formatQuerySingleLine({quote(statement)})").result_rows[0][0])


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_reaches_all_replicas(parser: Client, name: str) -> None:
    """It differs by the cluster and the engine alone; without a cluster it stays as it is."""
    statement = STATEMENTS[name]
    assert render(statement, "") is statement
    rendered = _canonical(parser, render(statement, "floor-1"))
    assert rendered.count(" ON CLUSTER `floor-1`") == 1
    alone = rendered.replace(" ON CLUSTER `floor-1`", "")
    place = r"'/clickhouse/tables/\{shard\}/\{database\}/\{table\}', '\{replica\}'"
    alone, replicated = re.subn(rf"ENGINE = Replicated(\w+)\({place}, (\w+)\)", r"ENGINE = \1(\2)", alone)
    assert alone == _canonical(parser, statement)
    assert replicated == statement.startswith("CREATE TABLE")


def test_the_parser_refuses_what_is_wrong(parser: Client) -> None:
    """What the tests above rely on."""
    with pytest.raises(DatabaseError, match="Syntax error"):
        _canonical(parser, "CREATE TABLE t ON CLUSTER (a Int64) ENGINE = ReplacingMergeTree(a) ORDER BY a")


@pytest.mark.parametrize(
    "statement",
    [
        "OPTIMIZE TABLE panes_rows FINAL",
        "RENAME TABLE a TO b",
        "CREATE TABLE other.t (a Int64) ENGINE = ReplacingMergeTree(a) ORDER BY a",
        "CREATE TABLE t (a Int64) ENGINE = Log",
        "CREATE TABLE t AS u",
    ],
)
def test_a_form_that_is_not_known_is_refused(statement: str) -> None:
    """Else it would run on one replica only, or make a table that is not replicated."""
    with pytest.raises(ValueError, match=r"^no (statement|engine)"):
        render(statement, "floor")


@pytest.mark.parametrize(
    ("replicas", "macros", "why"),
    [
        ((), MACROS, "has no cluster floor: .* one of system.clusters: other, plain$"),
        (((1, "a"), (2, "b")), MACROS, "the cluster floor has 2 shards: .* one shard with all its replicas"),
        (TWO, ("shard",), "no macro replica: "),
        (TWO, (), "no macro shard and no macro replica: "),
    ],
)
def test_a_cluster_that_cannot_be_used(
    replicas: tuple[tuple[int, str], ...], macros: tuple[str, ...], why: str
) -> None:
    """It is refused with what it must be, before anything is changed."""
    check_cluster("floor", ["plain", "other"], TWO, ["shard", "replica", "cluster"])
    with pytest.raises(ClusterError, match=why):
        check_cluster("floor", ["plain", "other"], replicas, macros)


def test_tables_of_the_other_kind_are_left_alone() -> None:
    """A setting that came or went must not change half of a schema."""
    for cluster, engine in (
        ("", None),
        ("floor", None),
        ("", "ReplacingMergeTree"),
        ("floor", "ReplicatedReplacingMergeTree"),
    ):
        check_engine(cluster, "pulssi", engine)
    with pytest.raises(ClusterError, match=r"tables that are not replicated: docs/deploy\.md"):
        check_engine("floor", "pulssi", "ReplacingMergeTree")
    with pytest.raises(ClusterError, match="has replicated tables: set clickhouse_cluster"):
        check_engine("", "pulssi", "ReplicatedReplacingMergeTree")


def test_a_cluster_that_is_not_there_changes_nothing(empty_database: Settings) -> None:
    """The server is asked first: no database is made."""
    clustered = empty_database.model_copy(update={"clickhouse_cluster": "floor"})
    with pytest.raises(EndError, match="ClickHouse has no cluster floor"):
        migrate(clustered)
    with connect(empty_database, database="") as client:
        databases = client.query("SELECT name FROM system.databases").result_columns[0]
    assert empty_database.clickhouse_database not in databases


def test_tables_for_one_server_are_not_taken_into_a_cluster(
    database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine of what is there decides, read from the server itself."""
    monkeypatch.setattr(migrations, "check_cluster", lambda *_: None)
    with pytest.raises(EndError, match="tables that are not replicated"):
        migrate(database.model_copy(update={"clickhouse_cluster": "floor"}))


class _Recorder:
    """Stands for a server with a cluster: keeps what it is told, and knows nothing yet."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def command(self, statement: str, settings: object = None) -> None:
        """Keep a statement."""
        self.told.append((statement, settings))

    def query(self, query: str, parameters: object = None) -> Self:
        """Answer with the cluster, and nothing else."""
        del parameters
        answers = {
            "shard_num": [*TWO],
            "DISTINCT cluster": [("floor",)],
            "FROM system.macros": [(each,) for each in MACROS],
        }
        self.result_rows = next((rows for part, rows in answers.items() if part in query), [])
        return self

    def insert(self, table: str, *_: object, **__: object) -> None:
        """Keep notes of what was applied in the same way."""
        assert table == "schema_migrations"


def test_a_migration_runs_on_all_replicas(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every statement runs on the cluster: also those for the database, the ledger and the passwords."""
    recorder = _Recorder()
    monkeypatch.setattr(migrations, "connect", lambda *_, **__: recorder)
    (tmp_path / "reader").write_text("geheim\n", "utf-8")
    there = {"PULSSI_CLICKHOUSE_CLUSTER": "floor", "PULSSI_CLICKHOUSE_READER_PASSWORD_FILE": f"{tmp_path}/reader"}
    migrate(load_settings(there))
    assert len(recorder.told) == len(STATEMENTS) + 3
    for statement, settings in recorder.told:
        assert " ON CLUSTER 'floor'" in statement
        assert settings is STATEMENT_SETTINGS
        assert "geheim" not in statement


def test_what_is_said_to_a_cluster_exists(parser: Client) -> None:
    """The engine knows every setting; a single server gets none."""
    known = {str(name) for (name,) in parser.query("SELECT name FROM system.settings").result_rows}
    assert {*STATEMENT_SETTINGS, *cluster_settings(load_settings({"PULSSI_CLICKHOUSE_CLUSTER": "floor"}))} <= known
    assert cluster_settings(load_settings({})) == {}


def test_a_client_says_it_with_each_query(clickhouse_server: ClickHouseServer) -> None:
    """Reads wait for what was written on another replica; writes wait for a quorum."""
    there = {"PULSSI_CLICKHOUSE_URL": clickhouse_server.url, "PULSSI_CLICKHOUSE_DATABASE": "default"}
    asked = "SELECT getSetting('insert_quorum'), getSetting('select_sequential_consistency')"
    with connect(
        load_settings({**there, "PULSSI_CLICKHOUSE_CLUSTER": "floor", "PULSSI_CLICKHOUSE_QUORUM": "3"})
    ) as client:
        assert [int(value) for value in client.query(asked).result_rows[0]] == [3, 1]
    with connect(load_settings(there)) as client:
        assert [int(value) for value in client.query(asked).result_rows[0]] == [0, 0]


@pytest.mark.parametrize("code", [285, 286, 289, 319])
def test_without_a_quorum_it_is_tried_again(code: int) -> None:
    """Too few replicas, or one that is behind, counts as an outage that passes, not as a wrong query."""
    assert is_unavailable(DatabaseError(f"Code: {code}. DB::Exception: …"))
    assert not is_unavailable(DatabaseError("Code: 47. DB::Exception: …"))


def test_passwords_leave_as_salted_hashes(tmp_path: Path) -> None:
    """The same password twice gives two hashes; a file without one is named, and what it holds is not shown."""
    files = {}
    for user, setting in PASSWORD_FILES.items():
        files[f"PULSSI_{setting.upper()}"] = f"{tmp_path}/{user}"
        (tmp_path / user).write_text("geheim\n", "utf-8")
    settings = load_settings(files)
    assert password_statements(settings, lambda: "salt")[1] == (
        "ALTER USER IF EXISTS pulssi_reader IDENTIFIED WITH sha256_hash"
        " BY '4b813bbea086ad4a0510ecef20c801e0947ca4114665423f55ea3169450380ce' SALT 'salt'"
    )
    made = password_statements(settings)
    assert len({re.sub("pulssi_[a-z]+", "", each) for each in made}) == len(PASSWORD_FILES)
    assert "geheim" not in "".join(made)
    assert password_statements(load_settings({})) == []
    with pytest.raises(EndError, match=r"PULSSI_CLICKHOUSE_READER_PASSWORD_FILE: .*cannot be read"):
        password_statements(load_settings({"PULSSI_CLICKHOUSE_READER_PASSWORD_FILE": f"{tmp_path}/none"}))
