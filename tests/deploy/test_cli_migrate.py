"""`pulssi migrate` as people and scripts see it: what it says, and how it ends."""

import json
from pathlib import Path

from deploy.embedded.stack_layout import pulssi_command
from schemas.topics import DEAD_LETTERS
from streams.configuration.environment import load_settings
from streams.kafka.brokers import admin_client
from streams.kafka.topic_migration import migrate_topics
from tests.deploy.program import Program, clean_environment, run
from tests.kafka.server import KafkaServer


def test_a_broker_that_comes_later_is_awaited(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """Started first, it says that it waits, and makes the topics once the broker is there."""
    fresh_kafka.stop()
    environment = clean_environment(tmp_path, **fresh_kafka.settings_env())
    with Program(pulssi_command("migrate", "--wait", "60"), environment) as program:
        program.await_line(f"waiting up to 60 s for Kafka at {fresh_kafka.bootstrap}")
        fresh_kafka.start()
        program.await_line(f"topic {DEAD_LETTERS}: made, 4 partitions")


def test_a_changed_partition_count_is_refused(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """Refused topics end it with 1, before ClickHouse is touched, and JSON says why."""
    migrate_topics(load_settings({**fresh_kafka.settings_env(), "PULSSI_PARTITIONS": "2"}))
    program = run(tmp_path, "migrate", "--json", **fresh_kafka.settings_env(), PULSSI_PARTITIONS="3")
    assert program.code == 1
    report = json.loads("\n".join(program.lines[:-1]))
    assert report["ok"] is False
    assert "PULSSI_PARTITIONS=2" in report["topics"][0]["notes"][0]


def test_a_source_that_was_given_partitions_is_told_and_stops_nothing(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """Whoever migrates before everything starts, as Compose does, must start: the last line names the source."""
    settings = fresh_kafka.with_topics()
    with admin_client(fresh_kafka.bootstrap) as admin:
        admin.create_partitions({"contacts.call": settings.partitions + 2})
    program = run(tmp_path, "migrate", "--only", "topics", **fresh_kafka.settings_env())
    assert program.code == 0
    assert f"topic {DEAD_LETTERS}: there, {settings.partitions} partitions" in program.lines
    assert program.lines[-1] == (
        "contacts.call has 6 partitions, contacts.call.journal has 4: workers refuse contacts.call, all else is"
        " migrated and runs; docs/runbooks/refused-partition.md says what to do"
    )
    program = run(tmp_path, "migrate", "--only", "topics", "--json", **fresh_kafka.settings_env())
    report = json.loads("\n".join(program.lines[:-1]))
    assert report["ok"] is True
    assert {each["name"] for each in report["topics"] if each["state"] == "uneven"} == {
        "contacts.call",
        "contacts.call.journal",
    }
