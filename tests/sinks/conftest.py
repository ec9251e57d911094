"""What the tests of the sink share: a database of their own on the run's ClickHouse."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client

from deploy.embedded.ports import any_free
from schemas.settings import Settings, load
from sinks.clickhouse.keeper import TABLES
from streams.clickhouse import connect
from streams.topics import migrate_topics
from tests.fixtures.clickhouse import ClickHouseServer
from tests.kafka.server import KafkaServer
from tests.sinks.contract import own_database

_NUMBERS = itertools.count(1)


@pytest.fixture
def empty_database(clickhouse_server: ClickHouseServer) -> Iterator[Settings]:
    """Return settings that name a database which is not there yet; it is dropped in the end."""
    name = f"sink_{os.getpid()}_{next(_NUMBERS)}"
    yield load({"PULSSI_CLICKHOUSE_URL": clickhouse_server.url, "PULSSI_CLICKHOUSE_DATABASE": name})
    with clickhouse_server.client() as client:
        client.command(f"DROP DATABASE IF EXISTS {name} SYNC")


@pytest.fixture(scope="session")
def shared_database(clickhouse_server: ClickHouseServer) -> Iterator[Settings]:
    """Return settings of a database with Pulssi's schema, made once for all tests."""
    with own_database(clickhouse_server, f"sink_{os.getpid()}_shared") as settings:
        yield settings


@pytest.fixture(scope="session")
def asking(shared_database: Settings) -> Iterator[Client]:
    """Return a client that examples of one test share; whoever writes empties the tables before."""
    with connect(shared_database) as client:
        yield client


@pytest.fixture
def database(shared_database: Settings) -> Settings:
    """Return settings of a database with Pulssi's schema and no rows."""
    with connect(shared_database) as client:
        for table in (*TABLES, "gauge_history_rows"):
            client.command(f"TRUNCATE TABLE {table} SYNC")
    return shared_database


@pytest.fixture
def client(database: Settings) -> Iterator[Client]:
    """Return a client of the database."""
    with connect(database) as client:
        yield client


@pytest.fixture
def environment(fresh_kafka: KafkaServer, database: Settings) -> dict[str, str]:
    """Return the environment of a sink between a broker with topics and a ClickHouse with tables."""
    environment = {
        **fresh_kafka.settings_env(),
        "PULSSI_PARTITIONS": "2",
        "PULSSI_CLICKHOUSE_URL": database.clickhouse_url,
        "PULSSI_CLICKHOUSE_DATABASE": database.clickhouse_database,
        "PULSSI_SINK_PORT": str(any_free("127.0.0.1")),
    }
    assert migrate_topics(load(environment), wait_s=10).ok
    return environment


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    """Return the sink's settings."""
    return load(environment)
