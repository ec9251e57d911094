"""`pulssi migrate` as people and scripts see it: what it says, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

from deploy.embedded.parts import pulssi
from deploy.embedded.ports import any_free
from schemas.settings import load
from schemas.topics import DEAD_LETTERS
from streams.topics import migrate_topics
from tests.deploy.program import Program, clean_environment, run
from tests.kafka.server import KafkaServer


def test_a_broker_that_comes_later_is_awaited(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """Started first, it says that it waits, and makes the topics once the broker is there."""
    fresh_kafka.stop()
    environment = clean_environment(tmp_path, **fresh_kafka.settings_env())
    program = Program(pulssi("migrate", "--wait", "60"), environment)
    try:
        program.await_line(f"waiting up to 60 s for Kafka at {fresh_kafka.bootstrap}")
        fresh_kafka.start()
        program.await_line(f"topic {DEAD_LETTERS}: made, 4 partitions")
    finally:
        program.close()


def test_a_changed_partition_count_is_refused(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """Refused topics end it with 1, before ClickHouse is touched, and JSON says why."""
    migrate_topics(load({**fresh_kafka.settings_env(), "PULSSI_PARTITIONS": "2"}))
    program = run(tmp_path, "migrate", "--json", **fresh_kafka.settings_env(), PULSSI_PARTITIONS="3")
    assert program.code == 1
    report = json.loads("\n".join(program.lines[:-1]))
    assert report["ok"] is False
    assert "PULSSI_PARTITIONS=2" in report["topics"][0]["notes"][0]


def test_no_broker_is_one_line_and_3(tmp_path: Path) -> None:
    """Nothing listens: exit 3 and one line with the address."""
    address = f"127.0.0.1:{any_free('127.0.0.1')}"
    program = run(tmp_path, "migrate", PULSSI_KAFKA_BROKERS=address)
    assert program.code == 3
    assert len(program.lines) == 1
    assert address in program.text


def test_unusable_settings_are_all_named_and_2(tmp_path: Path) -> None:
    """Two faults: two lines, exit 2."""
    program = run(tmp_path, "migrate", PULSSI_PARTITIONS="none", PULSSI_BROKRES="x")
    assert program.code == 2
    assert {"PULSSI_PARTITIONS", "PULSSI_BROKRES"} <= {line.split()[1] for line in program.lines}
