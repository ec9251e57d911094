"""Chats and e-mails as they happen, at a steady rate, for a process of its own: events of now, unlike `events` has.

A contact takes seconds, so that soon as many end as begin. What is sent is valid and whole: the wallboard's windows,
due contacts, tags and agents all move.
"""

import heapq
import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from confluent_kafka import Producer

from tests.bench.events import EVENTS_A_CHAT, QUEUES, TAGS
from tests.bench.steady import FLUSHED_WITHIN_S, TICK_S
from tests.streams.flow import chat_event, keyed

#: When a contact has got through all of its events at the latest, in seconds.
LONGEST_S: Final = 34
AGENTS: Final = 60
GROUPS: Final = 4

_Step = tuple[float, str, dict[str, Any]]


def told_at(seconds: float) -> str:
    """Write a time in UTC seconds as events have it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _steps(number: int) -> list[_Step]:
    """Say what happens in a contact, and how many seconds after its beginning."""
    queue, agent = QUEUES[number % len(QUEUES)], f"bench:{number % AGENTS:02}"
    wait, talk = 1 + number * 7 % 9, 5 + number * 13 % 15
    return [
        (0, "contact.started", {"queue": queue, "customer_id": f"customer-{number % 9973}", "language": "en"}),
        (0.1, "message.sent", {"author": "customer"}),
        (0.5, "contact.queued", {"queue": queue}),
        (wait, "contact.connected", {"agent_id": agent, "team": f"team-{number % GROUPS}"}),
        (wait + 2, "message.sent", {"author": "agent", "agent_id": agent}),
        (wait + talk / 2, "message.sent", {"author": "customer"}),
        (wait + talk / 2 + 2, "message.sent", {"author": "agent", "agent_id": agent}),
        (wait + talk + 1, "contact.tagged", {"tags": [TAGS[number % len(TAGS)]]}),
        (wait + talk + 2, "contact.disconnected", {"agent_id": agent}),
        (wait + talk + 3, "contact.resolved", {}),
    ]


def live_contacts(rate: float, begin: float) -> Iterator[tuple[float, dict[str, Any]]]:
    """Make events without end in order of time, each with its time in UTC seconds; `rate`: events a second at last."""
    under_way: list[tuple[float, int, str, str, str, dict[str, Any]]] = []
    order = itertools.count()
    for number in itertools.count():
        began = begin + number * EVENTS_A_CHAT / rate
        while under_way and under_way[0][0] <= began:
            at, place, contact_id, kind, channel, fields = heapq.heappop(under_way)
            more = {"channel": channel, "event_id": f"{contact_id}-{place}", **fields}
            yield at, chat_event(kind, contact_id, told_at(at), **more)
        contact_id = f"bench:{begin:.0f}:{number:09d}"
        for after, kind, fields in _steps(number):
            channel = "email" if number // len(QUEUES) % 3 == 0 else "chat"
            heapq.heappush(under_way, (began + after, next(order), contact_id, kind, channel, fields))


def agents_there(at: float) -> Iterator[dict[str, Any]]:
    """Make the events of agents who are there from a time in UTC seconds on."""
    for number in range(AGENTS):
        yield {
            "event_id": f"there {at:.0f}",
            "type": "agent.status",
            "agent_id": f"bench:{number:02}",
            "source": "test",
            "occurred_at": told_at(at),
            "status": "available",
            "groups": [f"team-{number % GROUPS}"],
            "capacity": {"chat": 50, "email": 50},
        }


def produce_live(brokers: str, rate: int, seconds: float) -> tuple[int, float]:
    """Produce events of now for so long; returns how many, and by how many seconds one was late at most.

    It reaches its rate within `LONGEST_S`, when the first contacts have ended.
    """
    producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random", "linger.ms": 5, "log_level": 0})
    producer.list_topics(timeout=FLUSHED_WITHIN_S)  # connected before the clock runs
    begin = time.time()
    for topic, key, value in keyed(agents_there(begin)):
        producer.produce(topic, key=key, value=value)
    made = live_contacts(rate, begin)
    (due, event), done, behind = next(made), 0, 0.0
    while (now := time.time()) < begin + seconds:
        behind = max(behind, now - due)
        while due <= now:
            producer.produce(f"contacts.{event['channel']}", key=event["contact_id"], value=orjson.dumps(event))
            due, event = next(made)
            done += 1
        producer.poll(0)
        time.sleep(TICK_S)
    producer.flush(FLUSHED_WITHIN_S)
    return done, behind
