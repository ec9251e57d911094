"""The same job the way Faust's own guide has it: one event a loop, state in Faust tables with their changelogs.

It decodes as Pulssi does, keeps a contact's milestones in one table and counters a minute in another, for offered,
first response, handle time and tags. Deduplication, late events, retraction and percentiles are left out: it does less.
"""

from __future__ import annotations

import os
import tempfile
import time
from typing import Any

import faust

from streams.decode import decode

TOPIC = os.environ["BENCH_TOPIC"]
EXPECTED = int(os.environ["BENCH_EVENTS"])
PANE_MS = 60_000
#: Faust redirects Python's own.
STDOUT = 1

app = faust.App(
    f"bench-{os.getpid()}",
    broker=f"kafka://{os.environ['BENCH_BROKER']}",
    store="memory://",
    topic_partitions=int(os.environ["BENCH_PARTITIONS"]),
    topic_disable_leader=True,
    web_enabled=False,
    broker_rebalance_timeout=3,
    broker_session_timeout=6,
    broker_heartbeat_interval=1,
    producer_linger=0.005,
    datadir=tempfile.mkdtemp(prefix="bench-"),
)
events = app.topic(TOPIC, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
contacts = app.Table("contacts", default=dict)
panes = app.Table("panes", default=dict)


def count(at: int, queue: str, sample: str, value_ms: int) -> None:
    """Put one sample into its pane."""
    key = f"{at - at % PANE_MS}/{queue}/{sample}"
    pane = panes[key]
    panes[key] = {"n": pane.get("n", 0) + 1, "sum_ms": pane.get("sum_ms", 0) + value_ms}


def fold(contact: dict[str, Any], event: Any) -> dict[str, Any]:  # noqa: ANN401 - any event of the contract
    """Take one event in, as it comes."""
    at, kind = event.occurred_at, event.type
    if event.queue is not None:
        contact["queue"] = event.queue
    queue = contact.get("queue", "unassigned")
    if kind == "contact.started":
        contact["started"] = at
        count(at, queue, "offered", 0)
    elif kind == "contact.queued":
        contact["clock"] = at
    elif kind == "contact.connected":
        contact["connected"] = at
        if event.channel == "call" and "responded" not in contact:
            contact["responded"] = at
            count(at, queue, "first_response", at - contact.get("clock", contact.get("started", at)))
    elif kind == "message.sent" and event.author == "agent" and "responded" not in contact:
        contact["responded"] = at
        count(at, queue, "first_response", at - contact.get("clock", contact.get("started", at)))
    elif kind == "contact.disconnected" and "connected" in contact:
        count(at, queue, "handle", at - contact.pop("connected"))
    elif kind == "contact.tagged":
        for tag in event.tags:
            count(at, queue, f"tagged/{tag}", 0)
    return contact


@app.agent(events)  # type: ignore[untyped-decorator]  # Faust carries no types
async def work(stream: Any) -> None:  # noqa: ANN401 - Faust is untyped
    """One event a loop."""
    n, began = 0, 0.0
    async for message in stream.events():
        began = began or time.monotonic()
        event = decode(TOPIC, message.key, message.value)
        key = message.key.decode()
        contacts[key] = fold(dict(contacts[key]), event)
        n += 1
        if n == EXPECTED:
            await app.producer.flush()
            os.write(STDOUT, f"{time.monotonic() - began:.3f}\n".encode())
            os._exit(0)


if __name__ == "__main__":
    app.main()
