"""What the sink's tests run between."""

import pytest

from deploy.embedded.ports import any_free
from schemas.settings import Settings
from streams.configuration.environment import load_settings
from streams.kafka.topic_migration import migrate_topics
from tests.kafka.server import KafkaServer


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
    assert migrate_topics(load_settings(environment), wait_s=10).ok
    return environment


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    """Return the sink's settings."""
    return load_settings(environment)
