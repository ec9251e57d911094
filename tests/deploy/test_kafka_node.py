"""How one node of Kafka is run: which JVM, what its end says, and what it keeps."""

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from deploy.embedded import UnavailableError, broker
from deploy.embedded.child_processes import stop_server
from deploy.embedded.kafka import java
from deploy.embedded.kafka.java import Java
from deploy.embedded.kafka.node import AOT_CACHE_FROM_JAVA, Kafka, last_error_line
from deploy.embedded.ports import any_free
from streams.kafka.brokers import admin_client
from tests.kafka.apache import ApacheKafka, kafka, missing

needs_kafka = pytest.mark.skipif(missing() is not None, reason=str(missing()))


def _jvm(folder: Path, says: str) -> Path:
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(("says", "version"), [('openjdk version "17.0.15" 2025-04-15', 17), ('java version "25"', 25)])
def test_a_jvm_of_java_home_is_taken_where_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, version: int
) -> None:
    """Without the wheel, JAVA_HOME's is asked for its version once."""
    monkeypatch.setattr(java, "find_spec", lambda _: None)
    program = _jvm(tmp_path, says)
    assert java.find_java({"JAVA_HOME": str(tmp_path)}) == Java(program, version)


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ('openjdk version "11.0.2"', "{home}/bin/java is 11: pip install 'pulssi"),
        ('java version "1.8.0_402"', "{home}/bin/java is 8: pip install 'pulssi"),
        ("no", "{home}/bin/java -version prints no version: pip install 'pulssi"),
        (None, "none was found: pip install 'pulssi"),
    ],
)
def test_one_that_is_too_old_or_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str | None, why: str
) -> None:
    """Its path, its version, and the ways out, in one line."""
    monkeypatch.setattr(java, "find_spec", lambda _: None)
    if says is not None:
        _jvm(tmp_path, says)
    with pytest.raises(UnavailableError, match=why.format(home=tmp_path)):
        java.find_java({"PATH": ""} if says is None else {"JAVA_HOME": str(tmp_path)})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("WARNING: a method\n", ""),
        (
            "INFO started\n2026 ERROR Disk error\njava.io.IOException: No space left\n\tat x.y(Z.java)\n\t... 4 more\n",
            "java.io.IOException: No space left",
        ),
        ("one\ntwo\n", "two"),
    ],
)
def test_the_last_words_are_no_stack_trace(text: str, line: str) -> None:
    """A fault before other lines, and never a frame."""
    assert last_error_line(text) == line


@needs_kafka
def test_a_node_that_cannot_start_says_why_and_where(tmp_path: Path) -> None:
    """Another cluster's folder: the error names the log and the line that matters."""
    node = broker.node_of(kafka(), tmp_path, "127.0.0.1", any_free("127.0.0.1"))
    data = tmp_path / "kafka" / "data"
    data.mkdir(parents=True)
    (data / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=cHVsc3NpLWVtYmVkZGVkMQ\n")
    with pytest.raises(UnavailableError) as caught:
        broker.start(node)
    assert str(tmp_path / "logs") in str(caught.value)
    assert "node id" in str(caught.value)


def test_a_folder_that_cannot_be_formatted_is_not_taken_for_one_that_is(tmp_path: Path) -> None:
    """The JVM fails while it formats: the error says what it said, and the next start formats again."""
    failing = Java(_jvm(tmp_path / "jvm", "java.io.IOException: No space left on device"), 25)
    failing.program.write_text(failing.program.read_text() + "exit 1\n")
    node = broker.node_of(Kafka(failing, []), tmp_path, "127.0.0.1", any_free("127.0.0.1"))
    with pytest.raises(UnavailableError, match=r"cannot be formatted: java\.io\.IOException: No space left on device"):
        node.start()
    assert not (tmp_path / "kafka" / "data").exists()


@needs_kafka
@pytest.mark.long
def test_what_was_acknowledged_outlives_sigkill(tmp_path: Path) -> None:
    """Records, topics and their settings are there after kill -9 and a start in the same folder."""
    server = ApacheKafka(tmp_path / "node")
    server.start()
    try:
        with admin_client(server.bootstrap) as admin:
            admin.create_topics({"kept": {"num_partitions": 1, "replication_factor": 1}})
            admin.wait_for_topics(["kept"])
        values = [str(number).encode() for number in range(2_000)]
        producer = KafkaProducer(bootstrap_servers=server.bootstrap, acks="all")
        for each in [producer.send("kept", value) for value in values]:
            each.get(timeout=30)
        server.kill()
        producer.close(timeout=0)
        server.start()
        reads = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 30_000}
        with closing(KafkaConsumer(bootstrap_servers=server.bootstrap, **reads)) as consumer:
            consumer.assign([TopicPartition("kept", 0)])
            assert [record.value for record, _ in zip(consumer, values, strict=False)] == values
    finally:
        server.kill()


@needs_kafka
@pytest.mark.skipif(java.find_java().version < AOT_CACHE_FROM_JAVA, reason="this JVM makes no such cache")
def test_a_node_starts_with_an_aot_cache_and_without_one_that_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's AOT cache is used; a file that is none costs the shortcut only; old ones of other installations go."""
    # Another process of this run may be making it just now.
    made = Retrying(retry=retry_if_result(lambda made: not made), wait=wait_fixed(0.5), stop=stop_after_delay(120))
    assert made(broker.make_aot_cache, kafka(), niceness=0)
    assert kafka().with_aot_cache().options[0].startswith("-XX:AOTCache=")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    without = replace(kafka(), options=())
    assert without.with_aot_cache() == without
    file = without.aot_cache
    file.parent.mkdir(parents=True)
    file.write_bytes(b"damaged")
    damaged = without.with_aot_cache()
    assert str(file) in damaged.options[0]
    stop_server(broker.start(broker.node_of(damaged, tmp_path, "127.0.0.1", any_free("127.0.0.1"))))
    others = [file.with_name(f"java-25-{number}.aot") for number in range(broker.AOT_CACHES_KEPT + 2)]
    for age, other in enumerate(others):
        other.touch()
        os.utime(other, (age, age))
    assert sorted(broker.surplus_aot_caches(file)) == others[:2]
