"""`pulssi simulate` as people and scripts see it."""

from __future__ import annotations

import re
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from deploy.embedded.parts import pulssi
from deploy.embedded.ports import any_free
from schemas.events import CONTACT_EVENT
from schemas.settings import load
from schemas.topics import AGENTS
from streams.sources.recorded import lines
from streams.topics import migrate_topics
from tests.deploy.program import Program, clean_environment
from tests.kafka.server import KafkaServer
from tests.oracle.contacts import milliseconds
from tests.streams.sources.consumed import consumed


@pytest.fixture
def broker(fresh_kafka: KafkaServer) -> KafkaServer:
    """Return a broker with the topics, and nothing in them."""
    migrate_topics(load(fresh_kafka.settings_env()))
    return fresh_kafka


def run(tmp_path: Path, *arguments: str, **settings: str) -> tuple[int, str]:
    """Run a command to its end; returns code and output."""
    with Program(pulssi("simulate", *arguments), clean_environment(tmp_path, **settings)) as program:
        return program.await_end(), program.text


def test_the_same_bytes_again(tmp_path: Path) -> None:
    """Same seed, start, rate and length: two processes write the same file; another seed does not."""
    files = [tmp_path / f"{name}.ndjson.zst" for name in ("a", "b", "c")]
    for file, seed in zip(files, ("4", "4", "5"), strict=True):
        arguments = ("--start", "2026-03-03T10:00:00+02:00", "--for", "5m", "--rate", "2", "--seed", seed)
        code, text = run(tmp_path, *arguments, "--out", str(file), PULSSI_TIME_ZONE="Europe/Helsinki")
        assert code == 0
        assert text.count("\n") == 0
        assert text.startswith("wrote ")
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()
    for line in lines(str(files[0])):
        event = orjson.loads(line.content)
        assert "2026-03-03T08:00:00.000Z" <= event["occurred_at"] < "2026-03-03T08:05:00.000Z"
        if event["type"] != "agent.status":
            CONTACT_EVENT.validate_json(line.content)


def test_what_is_past_at_once_then_live(broker: KafkaServer, tmp_path: Path) -> None:
    """A start in the past without an end: the past at once, then as time passes, until Ctrl-C ends it cleanly."""
    start = datetime.now(UTC) - timedelta(minutes=20)
    arguments = ("--start", start.isoformat(timespec="seconds"), "--rate", "100")
    program = Program(pulssi("simulate", *arguments), clean_environment(tmp_path, **broker.settings_env()))
    try:
        program.await_line("then as time passes")
        caught_up = time.time()
        time.sleep(2)  # what is live comes as time passes, so time has to pass
        program.signal(signal.SIGINT)
        assert program.await_end() == 0
    finally:
        program.close()
    summary = program.lines[-1]
    assert summary.startswith("sent ")
    count = int(summary.split()[1].replace(",", ""))
    records = consumed(broker.bootstrap, count)
    live = 0
    for record in records:
        occurred = milliseconds(orjson.loads(record.value)["occurred_at"])
        assert start.timestamp() * 1000 - 1000 <= occurred <= record.timestamp
        live += occurred > caught_up * 1000
        assert (record.topic == AGENTS) == (b'"agent.status"' in record.value)
    assert live > 0


def test_a_live_run_ends_by_itself(broker: KafkaServer, tmp_path: Path) -> None:
    """`--for` from now on: it takes that long, and its last line counts by topic."""
    began = time.monotonic()
    code, text = run(tmp_path, "--for", "2s", "--rate", "100", **broker.settings_env())
    assert code == 0
    assert time.monotonic() - began > 1.5
    assert "contacts.chat" in text.splitlines()[-1]


def test_no_broker_is_3(tmp_path: Path) -> None:
    """It waits for as long as it is told, and ends with one line."""
    address = f"127.0.0.1:{any_free('127.0.0.1')}"
    code, text = run(tmp_path, "--wait", "1", PULSSI_KAFKA_BROKERS=address)
    assert code == 3
    assert text.splitlines() == [
        f"waiting up to 1 s for Kafka at {address}",
        f"pulssi: no Kafka broker answers at {address} (waited 1 s)",
    ]


def test_a_broker_that_dies_is_told_in_two_lines(broker: KafkaServer, tmp_path: Path) -> None:
    """Nothing of what the client says of its own batches reaches the screen."""
    # So many that also at night enough are past for the line to be printed.
    start = (datetime.now(UTC) - timedelta(minutes=5)).isoformat(timespec="seconds")
    command = pulssi("simulate", "--start", start, "--rate", "200", "--wait", "4")
    program = Program(command, clean_environment(tmp_path, **broker.settings_env()))
    try:
        program.await_line("then as time passes")
        broker.kill()
        assert program.await_end() == 3
    finally:
        program.close()
    lost = re.fullmatch(
        rf"Kafka at {broker.bootstrap} does not answer: ([\d,]+) events are acknowledged; waiting up to 1 s",
        program.lines[-2],
    )
    assert lost is not None
    assert program.lines[-1] == (
        f"pulssi: no Kafka broker answers at {broker.bootstrap} (waited 4 s); {lost[1]} events are acknowledged;"
        f" the same command with --start {start.replace('+00:00', 'Z')} continues: events that"
        " are sent twice count once"
    )


def test_ctrl_c_ends_the_wait_for_a_broker(tmp_path: Path) -> None:
    """Nobody has to sit out the time that was given to the broker."""
    address = f"127.0.0.1:{any_free('127.0.0.1')}"
    program = Program(pulssi("simulate"), clean_environment(tmp_path, PULSSI_KAFKA_BROKERS=address))
    try:
        program.await_line("waiting up to 60 s")
        program.signal(signal.SIGINT)
        assert program.await_end(within_s=30) == 3
    finally:
        program.close()


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("--out", "x.ndjson"), "--for"),
        (("--for", "soon"), "30s"),
        (("--for", "0s"), "30s"),
        (("--start", "yesterday", "--for", "1m", "--out", "-"), "midnight"),
        (("--rate", "0"), "--rate"),
        (("--for", "1m", "--out", "/nowhere/x.ndjson"), "/nowhere/x.ndjson"),
    ],
)
def test_unusable_arguments_are_2(arguments: tuple[str, ...], names: str, tmp_path: Path) -> None:
    """The message names what is wrong and shows how it is written."""
    code, text = run(tmp_path, *arguments)
    assert code == 2
    assert names in text
    assert "Traceback" not in text


def test_help_shows_examples(tmp_path: Path) -> None:
    """`--help` ends with commands to copy."""
    code, text = run(tmp_path, "--help")
    assert code == 0
    assert "pulssi simulate --start midnight" in text
