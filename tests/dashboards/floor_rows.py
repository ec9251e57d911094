"""A contact centre's last hours as rows of the real tables: enough that every panel and rule has something to show."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from schemas.panes import PANE_MS
from schemas.topics import AGENTS
from sinks.archive import event_rows
from sinks.port import Batch
from sinks.rows import ContactRow, EventRow, PaneRow, TagPaneRow, version_of
from streams.core.histogram import bucket
from tests.sinks.rows import contact
from tests.sinks.test_archive import Record

QUEUES = {"call": ("sales", "support"), "chat": ("support", "webshop"), "email": ("billing",)}
TARGET_MS = {"call": 20_000, "chat": 60_000, "email": 86_400_000}
TAGS = ("billing", "delivery", "login", "outage", "refund", "unheard-of")

#: Median of a first response and of a handle time, by channel.
_RESPONSE_MS = {"call": 9_000, "chat": 30_000, "email": 3 * 3_600_000}
_HANDLE_MS = {"call": 240_000, "chat": 420_000, "email": 360_000}


class Story(NamedTuple):
    """How a queue does."""

    channel: str
    queue: str
    #: Contacts a minute, on average.
    rate: float
    #: Its median times this.
    slowness: float = 1.0
    abandons: float = 0.05


def stories() -> list[Story]:
    """A centre that does well, but for one queue of calls."""
    return [
        Story(
            channel, queue, 0.8 if channel == "email" else 2.5, 4.0 if (channel, queue) == ("call", "support") else 1.0
        )
        for channel, queues in QUEUES.items()
        for queue in queues
    ]


def _durations(draw: random.Random, n: int, median_ms: float) -> list[int]:
    return [int(draw.lognormvariate(0, 0.6) * median_ms) for _ in range(n)]


def _pane(story: Story, start: int, sample: str, values: list[int], *, held: bool, serial: int) -> PaneRow:
    target = TARGET_MS[story.channel]
    return PaneRow(
        sample=sample,
        pane_start=start,
        channel=story.channel,
        queue=story.queue,
        priority="normal",
        team="",
        segment="",
        epoch=1,
        topic=f"contacts.{story.channel}",
        partition=0,
        supplement="",
        version=version_of(1, serial),
        n=len(values),
        n_target=len(values) if held else 0,
        n_within=sum(value <= target for value in values) if held else 0,
        n_short=sum(value < 5_000 for value in values) if sample == "abandoned" else 0,
        n_satisfied=0,
        sum_ms=sum(values),
        business_n=0,
        business_sum_ms=0,
        sum_value=0,
        hist={} if sample == "offered" else dict(Counter(bucket(value) for value in values)),
        business_hist={},
    )


def _minute(draw: random.Random, story: Story, start: int, serial: int, batch: Batch) -> None:
    n = min(12, int(draw.expovariate(1 / story.rate)))
    lost = sum(draw.random() < story.abandons for _ in range(n))
    median = _RESPONSE_MS[story.channel] * story.slowness
    for sample, values, held in (
        ("offered", [0] * n, False),
        ("first_response", _durations(draw, n - lost, median), True),
        ("abandoned", _durations(draw, lost, median), True),
        ("handle", _durations(draw, n - lost, _HANDLE_MS[story.channel]), False),
    ):
        if values:
            batch.panes.append(_pane(story, start, sample, values, held=held, serial=serial))
    for tag, count in Counter(draw.choice(TAGS) for _ in range(n - lost)).items():
        batch.tag_panes.append(
            TagPaneRow(
                topic=f"contacts.{story.channel}",
                partition=0,
                channel=story.channel,
                supplement="",
                version=version_of(1, serial),
                epoch=1,
                pane_start=start,
                queue=story.queue,
                tag=tag,
                n=count,
                known=tag != "unheard-of",
            )
        )


def answered(story: Story, start: int, values: list[int]) -> PaneRow:
    """A pane of first responses."""
    return _pane(story, start, "first_response", values, held=True, serial=1)


def waiting(story: Story, now_ms: int, number: int, waits_ms: int) -> ContactRow:
    """A contact that waits for its first response."""
    since, target = now_ms - waits_ms, TARGET_MS[story.channel]
    return contact(
        version_of(1, number),
        contact_id=f"floor:1:{story.channel}-{story.queue}-{number}",
        channel=story.channel,
        queue=story.queue,
        priority="normal",
        agents=[],
        started_at=since,
        last_at=since,
        waiting_since=since,
        clock_since=since,
        target_ms=target,
        first_response_policy={"call": "call-20s", "chat": "chat-60s", "email": "email-24h"}[story.channel],
        first_response_warns_at=since + target * 3 // 4 + 1,
        first_response_breached_at=since + target + 1,
        leaves_at=now_ms + 86_400_000,
    )


def agents(now_ms: int) -> list[EventRow]:
    """Agents of two groups, who were heard of in the last minutes, and one who is in none."""
    told = [
        (group, status, channel, slots)
        for group, channel, slots in (("voice", "call", 1), ("chat care", "chat", 3), ("", "email", 2))
        for status in ("available", "busy", "wrap_up", "away", "offline")
    ]
    events = [
        {
            "event_id": "1",
            "type": "agent.status",
            "agent_id": f"agent-{number}",
            "source": "floor",
            "occurred_at": datetime.fromtimestamp((now_ms - number * 1_000) / 1000, UTC).isoformat(),
            "status": status,
            "groups": [group] if group else [],
            "capacity": {channel: slots},
        }
        for number, (group, status, channel, slots) in enumerate(told)
    ]
    records = [Record(str(event["agent_id"]).encode(), orjson.dumps(event), AGENTS) for event in events]
    return event_rows(records, epoch=1)


def floor(now_ms: int, minutes: int = 180, seed: int = 7) -> Batch:
    """Write the last `minutes` up to and including the running one, and those who wait now."""
    draw = random.Random(seed)  # noqa: S311 - test rows, not secrets
    batch = Batch()
    last = now_ms // PANE_MS * PANE_MS
    for serial, start in enumerate(range(last - (minutes - 1) * PANE_MS, last + 1, PANE_MS)):
        for story in stories():
            _minute(draw, story, start, serial, batch)
    for story in stories():
        batch.contacts += [
            waiting(story, now_ms, number, int(TARGET_MS[story.channel] * share))
            for number, share in enumerate((0.3, 0.9, 1.4)[: 1 + draw.randrange(3)])
        ]
    batch.events += agents(now_ms)
    return batch
