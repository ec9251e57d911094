"""A believable centre as journal steps: a day so far in three channels, who waits now, and who is there."""

import random
from collections.abc import Iterator
from typing import Final, NamedTuple

from schemas.agents import STATUSES
from schemas.calendars import DAY_MS
from schemas.contact_record import Summary
from schemas.panes import PANE_MS
from schemas.policies import DEFAULT_POLICIES
from schemas.topics import AGENTS
from streams.journal.step_assembly import Step
from tests.streams.live.agent_records import agent_in
from tests.streams.live.steps import Journal, contact, contact_key, due, pane_of, pane_record, summary, tag_record


class Queue(NamedTuple):
    """How a queue behaves. Times in seconds."""

    channel: str
    name: str
    per_minute: float
    response_s: float
    target_s: int
    handle_s: float
    abandoned: float
    waiting: int
    tags: tuple[str, ...]


QUEUES: Final = (
    Queue("call", "billing", 3.2, 11, 20, 260, 0.05, 4, ("invoice", "refund", "payment plan")),
    Queue("call", "technical support", 2.4, 24, 20, 480, 0.11, 9, ("router", "outage", "slow line", "new device")),
    Queue("call", "sales", 1.1, 8, 20, 310, 0.03, 0, ("upgrade", "moving home")),
    Queue("chat", "billing", 2.6, 28, 60, 420, 0.04, 3, ("refund", "invoice", "direct debit")),
    Queue("chat", "technical support", 3.1, 34, 60, 610, 0.06, 5, ("outage", "password", "wi-fi", "app")),
    Queue("chat", "orders", 1.8, 22, 60, 350, 0.03, 1, ("delivery", "return", "address")),
    Queue("chat", "unassigned", 1.4, 0, 60, 0, 0.0, 0, ()),  # the bot's: no human is ever asked for
    Queue("email", "billing", 0.9, 9_800, 86_400, 380, 0.0, 41, ("refund", "invoice")),
    Queue("email", "complaints", 0.3, 30_000, 86_400, 900, 0.0, 17, ("escalation", "delivery", "refund")),
)


class Team(NamedTuple):
    """A group of agents: how many of each status, and the slots of each of them; none: its source tells none."""

    name: str
    agents: tuple[int, int, int, int, int]
    capacity: dict[str, int]


TEAMS: Final = (
    Team("billing", (3, 14, 4, 2, 9), {"call": 1}),
    Team("technical support", (1, 21, 6, 5, 12), {"call": 1, "chat": 2}),
    Team("chat care", (12, 9, 0, 3, 4), {"chat": 3}),
    Team("back office", (6, 3, 1, 0, 130), {"email": 1}),
    Team("complaints and escalations", (0, 2, 0, 1, 1), {}),
)


def agents_now(now_ms: int) -> Iterator[Step]:
    """Make the steps that tell who is there."""
    journal = Journal(AGENTS, 0)
    for team in TEAMS:
        for status, how_many in zip(STATUSES, team.agents, strict=True):
            for number in range(how_many):
                name = f"{team.name}-{status}-{number}"
                yield journal.step(agent_in(name, status, [team.name], team.capacity, now_ms - 60_000))


def day_so_far(now_ms: int, *, minutes: int = 600, seed: int = 1, partitions: int = 4) -> Iterator[Step]:
    """Make the steps, a minute and a source partition at a time."""
    draw = random.Random(seed)  # noqa: S311 - a scene, no secret
    journals = {
        (channel, partition): Journal(f"contacts.{channel}", partition)
        for channel in ("call", "chat", "email")
        for partition in range(partitions)
    }
    last = now_ms - now_ms % PANE_MS
    for start in range(last - (minutes - 1) * PANE_MS, last + 1, PANE_MS):
        for (channel, partition), journal in journals.items():
            records = [
                record
                for queue in QUEUES
                if queue.channel == channel
                for record in _minute(draw, queue, start, partition, queue.per_minute / partitions)
            ]
            if records:
                yield journal.step(*records)
    for queue in QUEUES:
        for number in range(queue.waiting + 6):
            key = contact_key(f"{queue.channel}-{queue.name}-{number}")
            journal = journals[queue.channel, number % partitions]
            yield journal.step((key, contact(_contact(draw, queue, now_ms, waits=number < queue.waiting))))
    for number in range(30):
        key = contact_key(f"in-hand-{number}")
        team = TEAMS[number % len(TEAMS)]
        in_hand = summary(channel=next(iter(team.capacity), "chat"), queue="billing", handling=1)
        in_hand["leaves_at"] = now_ms + DAY_MS
        in_hand["handling_agents"] = [f"{team.name}-busy-{number // len(TEAMS) % team.agents[1]}"]
        yield journals[in_hand["channel"], 0].step((key, contact(in_hand)))
    yield from agents_now(now_ms)


def _minute(
    draw: random.Random, queue: Queue, start: int, partition: int, rate: float
) -> Iterator[tuple[bytes, bytes]]:
    offered = sum(draw.random() < rate / 3 for _ in range(3)) if rate < 3 else round(rate)
    if not offered:
        return
    if queue.name == "unassigned":
        for sample in ("offered", "bot_contained"):
            yield pane_record(start, queue.name, sample, pane_of([0] * offered))
        return
    responses, handles, gone = [], [], []
    for _ in range(offered):
        if draw.random() < queue.abandoned:
            gone.append(round(draw.lognormvariate(2.5, 0.9) * 1000))
        else:
            responses.append(round(queue.response_s * draw.lognormvariate(-0.25, 0.7) * 1000))
            handles.append(round(queue.handle_s * draw.lognormvariate(-0.1, 0.5) * 1000))
    target = queue.target_s * 1000
    team = f"team {partition % 2}"
    yield pane_record(start, queue.name, "offered", pane_of([0] * offered), team=team)
    if responses:
        yield pane_record(start, queue.name, "first_response", pane_of(responses, target=target), team=team)
        yield pane_record(start, queue.name, "handle", pane_of(handles), team=team)
        yield pane_record(start, queue.name, "resolution", pane_of(handles), team=team)
    if gone:
        yield pane_record(start, queue.name, "abandoned", pane_of(gone, target=target, short=5_000), team=team)
    for place, tag in enumerate(queue.tags):
        if n := sum(draw.random() < 0.6 / (place + 1) for _ in range(offered)):
            yield tag_record(start, queue.name, tag, n, known=tag != "app")


def _contact(draw: random.Random, queue: Queue, now_ms: int, *, waits: bool) -> Summary:
    since = now_ms - round(draw.random() * queue.response_s * 1.6 * 1000)
    if waits:
        return waiting(queue.channel, queue.name, since, queue.target_s * 1000)
    awaiting = since if queue.channel != "call" and draw.random() < 0.6 else None
    leaves_at = now_ms + DAY_MS
    return summary(
        channel=queue.channel, queue=queue.name, handling=1, awaiting_since=awaiting, last_at=since, leaves_at=leaves_at
    )


def waiting(channel: str, queue: str, since: int, target_ms: int) -> Summary:
    """Write the summary of a contact that waits for its first response, by its channel's default policy."""
    metric, _, *times = due(since, target_ms, target_ms // 4)
    policy = next(policy.name for policy in DEFAULT_POLICIES if policy.channel == channel)
    deadlines = [(metric, policy, *times)]
    leaves_at = since + 7 * DAY_MS
    return summary(
        channel=channel, queue=queue, waiting_since=since, last_at=since, deadlines=deadlines, leaves_at=leaves_at
    )
