"""A source topic is recreated, a journal goes missing: refused, told, and continued after `pulssi epoch begin`."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from deploy.embedded.readiness_probes import http_fault
from schemas.topics import CONTACTS, journal_of
from tests.chaos.installation import Installation
from tests.kafka.server import KafkaServer
from tests.streams.flow import chat_event, keyed, produce

CHAT: Final = CONTACTS["chat"]
JOURNAL: Final = journal_of(CHAT)
MANY: Final = 40
COUNTED: Final = (
    "SELECT sumIf(n, sample = 'offered'), sumIf(n, sample = 'first_response'), sumIf(n, sample = 'abandoned')"
    " FROM panes"
)


def differing(kind: str, minute: int, what: str, **fields: object) -> list[tuple[str, bytes, bytes]]:
    """Have the same happen to each contact of a kind, an hour ago and some minutes more recently."""
    at = (datetime.now(UTC) + timedelta(minutes=minute - 60)).isoformat(timespec="milliseconds")
    return keyed(chat_event(what, f"{kind} {n}", at, event_id=f"{what} {minute}", **fields) for n in range(MANY))


def until_counted(installation: Installation, expected: tuple[int, ...]) -> None:
    """Wait until ClickHouse has so much."""
    installation.until(lambda: installation.rows(COUNTED)[0], lambda found: found == expected)


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param([CHAT], id="topic", marks=pytest.mark.long),
        pytest.param([CHAT, JOURNAL], id="both", marks=pytest.mark.long),
        pytest.param([JOURNAL], id="journal", marks=pytest.mark.long),
    ],
)
def test_it_is_refused_told_and_continued(fresh_kafka: KafkaServer, tmp_path: Path, lost: list[str]) -> None:
    """Others go on meanwhile; open contacts get their later events; what ClickHouse has is what the events give."""
    with Installation(fresh_kafka, tmp_path / "pulssi", workers=1, centre="") as installation:
        (worker,) = installation.workers
        installation.await_ready(worker)
        produce(installation.settings, differing("early", 0, "contact.started", queue="q"))
        produce(installation.settings, differing("open", 1, "contact.started", queue="q"))
        produce(installation.settings, differing("early", 2, "message.sent", author="agent", agent_id="ann"))
        installation.pulssi("drain", "--timeout", "60")
        assert "nothing to begin" in installation.pulssi("epoch", "begin", CHAT)

        for topic in lost:
            installation.recreate_topic(topic)
        for path in ("readyz", "healthz"):
            url = f"{installation.urls[worker.name]}/{path}"
            installation.until(partial(http_fault, url), lambda fault: f"pulssi epoch begin {CHAT}" in (fault or ""))
        assert worker.log.read_text().count("Traceback") == 0
        produce(installation.settings, differing("call", 3, "contact.started", channel="call", queue="q"))
        until_counted(installation, (3 * MANY, MANY, 0))

        words = installation.pulssi("epoch", "begin", CHAT, "--yes", "--json", within_s=120)
        said = json.loads(words[words.index("{\n") :])
        assert [(each["partition"], each["epoch"]) for each in said["begun"]] == [(n, 2) for n in range(4)]
        assert said["compared"]["standing"] == 0
        installation.await_ready(worker)
        produce(installation.settings, differing("open", 4, "message.sent", author="agent", agent_id="ann"))
        produce(installation.settings, differing("early", 0, "contact.started", queue="q"))
        produce(installation.settings, differing("late", 5, "contact.started", queue="q"))
        until_counted(installation, (4 * MANY, 2 * MANY, 0))
        installation.pulssi("drain", "--timeout", "60")
        installation.pulssi("reconcile")
        assert "nothing to begin" in installation.pulssi("epoch", "begin", CHAT)
