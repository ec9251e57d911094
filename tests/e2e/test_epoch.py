"""A source topic is recreated, a journal goes missing: refused, told, and continued after `pulssi epoch begin`."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from confluent_kafka import Producer

from deploy.embedded.probes import http_fault
from schemas.topics import CONTACTS, journal_of
from tests.chaos.installation import Installation
from tests.kafka.server import KafkaServer

CHAT: Final = CONTACTS["chat"]
JOURNAL: Final = journal_of(CHAT)
MANY: Final = 40
WITHIN_S: Final = 60.0
COUNTED: Final = (
    "SELECT sumIf(n, sample = 'offered'), sumIf(n, sample = 'first_response'), sumIf(n, sample = 'abandoned')"
    " FROM panes"
)


def told(kind: str, minute: int, what: str, channel: str = "chat", **fields: object) -> list[dict[str, Any]]:
    """Have the same happen to each contact of a kind, an hour ago and some minutes more recently."""
    at = datetime.now(UTC) - timedelta(hours=1) + timedelta(minutes=minute)
    return [
        {
            "event_id": f"{what} {minute}",
            "type": what,
            "contact_id": f"{kind} {number}",
            "channel": channel,
            "occurred_at": at.isoformat(timespec="milliseconds"),
            "source": "test",
            **fields,
        }
        for number in range(MANY)
    ]


def produce(here: Installation, events: list[dict[str, Any]]) -> None:
    """Produce events to the topics of their channels."""
    producer = Producer({"bootstrap.servers": here.settings.kafka_brokers, "partitioner": "murmur2_random"})
    for event in events:
        producer.produce(CONTACTS[event["channel"]], key=event["contact_id"].encode(), value=orjson.dumps(event))
    assert producer.flush(WITHIN_S) == 0


def until(here: Installation, path: str, words: str) -> None:
    """Wait until the worker's health says so."""
    deadline = time.monotonic() + WITHIN_S
    (url,) = here.urls.values()
    while words not in (fault := http_fault(f"{url}{path}") or ""):
        here.check()
        assert time.monotonic() < deadline, f"{path} says {fault!r}"
        time.sleep(0.2)


def until_counted(here: Installation, should: tuple[int, ...]) -> None:
    """Wait until ClickHouse has so much."""
    deadline = time.monotonic() + WITHIN_S
    while (found := here.rows(COUNTED)[0]) != should:
        here.check()
        assert time.monotonic() < deadline, f"is {found}, should be {should}"
        time.sleep(0.2)


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param([CHAT], id="topic"),
        pytest.param([CHAT, JOURNAL], id="both", marks=pytest.mark.long),
        pytest.param([JOURNAL], id="journal", marks=pytest.mark.long),
    ],
)
def test_it_is_refused_told_and_continued(fresh_kafka: KafkaServer, tmp_path: Path, lost: list[str]) -> None:
    """Others go on meanwhile; open contacts get their later events; what ClickHouse has is what the events give."""
    with Installation(fresh_kafka, tmp_path / "pulssi", workers=1, centre="") as here:
        (worker,) = here.workers
        here.await_ready(worker)
        produce(here, [*told("early", 0, "contact.started", queue="q"), *told("open", 1, "contact.started", queue="q")])
        produce(here, told("early", 2, "message.sent", author="agent", agent_id="ann"))
        here.pulssi("drain", "--timeout", "60")
        assert "nothing to begin" in here.pulssi("epoch", "begin", CHAT)

        for topic in lost:
            here.make_anew(topic)
        until(here, "/readyz", f"pulssi epoch begin {CHAT}")
        until(here, "/healthz", f"pulssi epoch begin {CHAT}")
        assert worker.log.read_text().count("Traceback") == 0
        produce(here, told("call", 3, "contact.started", "call", queue="q"))
        until_counted(here, (3 * MANY, MANY, 0))

        words = here.pulssi("epoch", "begin", CHAT, "--yes", "--json", within_s=120)
        said = json.loads(words[words.index("{\n") :])
        assert [(each["partition"], each["epoch"]) for each in said["begun"]] == [(n, 2) for n in range(4)]
        assert said["compared"]["standing"] == 0
        here.await_ready(worker)
        produce(here, told("open", 4, "message.sent", author="agent", agent_id="ann"))
        produce(here, told("early", 0, "contact.started", queue="q"))
        produce(here, told("late", 5, "contact.started", queue="q"))
        until_counted(here, (4 * MANY, 2 * MANY, 0))
        here.pulssi("drain", "--timeout", "60")
        here.pulssi("reconcile")
        assert "nothing to begin" in here.pulssi("epoch", "begin", CHAT)
