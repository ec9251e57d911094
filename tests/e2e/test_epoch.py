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


def told(kind: str, minute: int, what: str, **fields: object) -> list[tuple[str, bytes, bytes]]:
    """Have the same happen to each contact of a kind, an hour ago and some minutes more recently."""
    at = (datetime.now(UTC) + timedelta(minutes=minute - 60)).isoformat(timespec="milliseconds")
    return keyed(chat_event(what, f"{kind} {n}", at, event_id=f"{what} {minute}", **fields) for n in range(MANY))


def until_counted(here: Installation, should: tuple[int, ...]) -> None:
    """Wait until ClickHouse has so much."""
    here.until(lambda: here.rows(COUNTED)[0], lambda found: found == should)


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
        produce(here.settings, told("early", 0, "contact.started", queue="q"))
        produce(here.settings, told("open", 1, "contact.started", queue="q"))
        produce(here.settings, told("early", 2, "message.sent", author="agent", agent_id="ann"))
        here.pulssi("drain", "--timeout", "60")
        assert "nothing to begin" in here.pulssi("epoch", "begin", CHAT)

        for topic in lost:
            here.make_anew(topic)
        for path in ("readyz", "healthz"):
            url = f"{here.urls[worker.name]}/{path}"
            here.until(partial(http_fault, url), lambda fault: f"pulssi epoch begin {CHAT}" in (fault or ""))
        assert worker.log.read_text().count("Traceback") == 0
        produce(here.settings, told("call", 3, "contact.started", channel="call", queue="q"))
        until_counted(here, (3 * MANY, MANY, 0))

        words = here.pulssi("epoch", "begin", CHAT, "--yes", "--json", within_s=120)
        said = json.loads(words[words.index("{\n") :])
        assert [(each["partition"], each["epoch"]) for each in said["begun"]] == [(n, 2) for n in range(4)]
        assert said["compared"]["standing"] == 0
        here.await_ready(worker)
        produce(here.settings, told("open", 4, "message.sent", author="agent", agent_id="ann"))
        produce(here.settings, told("early", 0, "contact.started", queue="q"))
        produce(here.settings, told("late", 5, "contact.started", queue="q"))
        until_counted(here, (4 * MANY, 2 * MANY, 0))
        here.pulssi("drain", "--timeout", "60")
        here.pulssi("reconcile")
        assert "nothing to begin" in here.pulssi("epoch", "begin", CHAT)
