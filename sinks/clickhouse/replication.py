"""Rewrites the schema's statements, which are written for one server, so that they run on all replicas of a cluster.

Pure functions. Without a cluster a statement stays as it is, byte for byte. A statement of an unknown form is refused,
so that none is ever applied to one replica only.
"""

import re
from collections.abc import Collection, Sequence
from typing import Final

#: The path in Keeper at which the replicas of a table find each other. Each server's configuration defines the macros
#: `shard` and `replica`; ClickHouse fills in database and table. It has no UUID, so that a replica that is added later
#: can use the statement of any other.
REPLICA_PATH: Final = "/clickhouse/tables/{shard}/{database}/{table}"
REPLICA: Final = "{replica}"
MACROS: Final = ("shard", "replica")

#: Sent with each statement. Where users and functions are stored in Keeper, all hosts get them from there: running the
#: statement on each host too would fail. So ClickHouse ignores `ON CLUSTER` for them.
STATEMENT_SETTINGS: Final = {
    "distributed_ddl_output_mode": "throw",
    "distributed_ddl_task_timeout": 90,
    "ignore_on_cluster_for_replicated_access_entities_queries": 1,
    "ignore_on_cluster_for_replicated_udf_queries": 1,
}

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_NAMED: Final = re.compile(
    r"(?:CREATE|ALTER|DROP)(?: OR REPLACE)?"
    r" (?:DATABASE|TABLE|MATERIALIZED VIEW|VIEW|FUNCTION|ROLE|USER|QUOTA|SETTINGS PROFILE)"
    rf"(?: IF NOT EXISTS| IF EXISTS)? {_NAME}(?![A-Za-z0-9_.])"
)
_GRANT: Final = re.compile(r"(?:GRANT|REVOKE)(?= )")
_ENGINE: Final = re.compile(r"^ENGINE = ([A-Za-z]*MergeTree)(?:\(([^()]*)\))?", re.MULTILINE)
_CREATE_TABLE: Final = re.compile(r"CREATE TABLE ")
_REPLICATED: Final = "Replicated"


class ClusterError(ValueError):
    """The cluster or its tables do not fit the settings; one line that says what to correct."""


def render(statement: str, cluster: str) -> str:
    """Rewrite a statement for every replica of `cluster`; with '' it is returned as it is.

    Raises ValueError if its form is unknown.
    """
    if not cluster:
        return statement
    head = _NAMED.match(statement) or _GRANT.match(statement)
    if head is None:
        raise ValueError(f"no statement of the schema: {statement.splitlines()[0][:80]}")
    rendered = f"{statement[: head.end()]} ON CLUSTER '{cluster}'{statement[head.end() :]}"
    if not _CREATE_TABLE.match(statement):
        return rendered
    rendered, tables = _ENGINE.subn(_replicated_engine, rendered)
    if tables != 1:
        raise ValueError(f"no engine that is known: {statement.splitlines()[0][:80]}")
    return rendered


def _replicated_engine(engine: re.Match[str]) -> str:
    arguments = [f"'{REPLICA_PATH}'", f"'{REPLICA}'", *filter(None, [engine[2]])]
    return f"ENGINE = {_REPLICATED}{engine[1]}({', '.join(arguments)})"


def check_cluster(
    cluster: str, known: Collection[str], replicas: Sequence[tuple[int, str]], macros: Collection[str]
) -> None:
    """Check a cluster: `known` are all clusters' names, `replicas` its (shard, host), `macros` the server's.

    Raises ClusterError.
    """
    if not replicas:
        names = ", ".join(sorted(known)) or "none"
        raise ClusterError(
            f"ClickHouse has no cluster {cluster}: clickhouse_cluster must be one of system.clusters: {names}"
        )
    if (shards := len({shard for shard, _ in replicas})) > 1:
        raise ClusterError(
            f"the cluster {cluster} has {shards} shards: rows replace each other only within a shard, so Pulssi needs a"
            " cluster of one shard with all its replicas; set clickhouse_cluster to such a cluster"
        )
    if missing := [macro for macro in MACROS if macro not in macros]:
        raise ClusterError(
            f"ClickHouse has no macro {' and no macro '.join(missing)}: each server's configuration needs <macros> with"
            " <shard>, the same for all, and <replica>, its own name"
        )


def check_engine(cluster: str, database: str, engine: str | None) -> None:
    """Check that existing tables are replicated if, and only if, a cluster is set; `engine` is None without tables.

    Raises ClusterError.
    """
    if engine is None or engine.startswith(_REPLICATED) == bool(cluster):
        return
    if cluster:
        raise ClusterError(
            f"database {database} has tables that are not replicated: docs/deploy.md says how to move them to a"
            " cluster; or leave clickhouse_cluster empty"
        )
    raise ClusterError(f"database {database} has replicated tables: set clickhouse_cluster to their cluster")
