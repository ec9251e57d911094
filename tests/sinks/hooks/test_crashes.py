"""A deliverer that dies at any write: before it is kept, or just after. What follows goes on with what was kept."""

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC
from typing import Final

import pytest
from aiohttp import web

from schemas.alerts import STATE_KEY, DeliveryRecord
from sinks.hooks.destinations import Hooks
from sinks.hooks.ledger import Ledger
from sinks.hooks.outbox import Outbox, Surroundings
from sinks.hooks.signing import webhook_id
from streams.times import now_ms
from tests.sinks.hooks.alerts import FIRED, LINKS, alert
from tests.sinks.hooks.made import destination
from tests.sinks.hooks.receiver import Receiver

#: Two alerts, each with three changes, as the topic has them.
CHANGES: Final = tuple(alert(key=key, sequence=number) for number in (1, 2, 3) for key in ("a", "b"))
WITHIN_S: Final = 30.0


class _Death(Exception):  # noqa: N818 - no error
    """The process dies here."""


class _Topic:
    """What is kept of deliveries, through all lives; each life dies at its nth write."""

    def __init__(self, dies_at: int, *, is_kept: bool) -> None:
        self.records: dict[bytes, bytes] = {}
        self.state: Ledger | None = None
        self._dies_at = dies_at
        self._is_kept = is_kept
        self._writes = 0

    async def keep(self, records: Iterable[DeliveryRecord]) -> None:
        """Keep records with the state, or die before or after it."""
        self._writes += 1
        dies = self._writes == self._dies_at
        if not dies or self._is_kept:
            self.records |= {each.webhook_id.encode(): each.model_dump_json().encode() for each in records}
            assert self.state is not None
            self.records[STATE_KEY] = self.state.state()
        if dies:
            self._writes = 0
            raise _Death

    def delivered(self) -> int:
        """Count the deliveries that are known to be delivered."""
        states = (DeliveryRecord.model_validate_json(each) for key, each in self.records.items() if key != STATE_KEY)
        return sum(each.status == "delivered" for each in states)


async def _live(topic: _Topic, receiver: Receiver) -> None:
    """Deliver as a deliverer does, until all is delivered or it dies."""
    to = destination(f"http://127.0.0.1:{receiver.port}/", ("127.0.0.1", receiver.port, "127.0.0.0/8"))
    ledger = topic.state = Ledger(topic.records, UTC)
    ledger.begin(0 if STATE_KEY not in topic.records else len(CHANGES))
    ledger.use(Hooks((to,), LINKS), 0, FIRED)
    boxes: list[Outbox] = []
    try:
        async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
            boxes.append(Outbox(to, Surroundings(ledger, topic.keep, tasks, {}, [0, *[0.01] * 20])))
            for record in ledger.unfinished.values():
                boxes[0].add(record)
            for offset in range(ledger.position, len(CHANGES)):
                made = ledger.of_alert(CHANGES[offset], offset, now_ms())
                ledger.position = offset + 1
                await topic.keep(made)
                for record in made:
                    boxes[0].add(record)
    finally:
        await boxes[0].close()


@pytest.mark.parametrize("is_kept", [True, False])
@pytest.mark.parametrize(
    "dies_at", [pytest.param(number, marks=[] if number % 5 == 3 else pytest.mark.long) for number in range(2, 13)]
)
async def test_nothing_is_lost_and_nothing_has_a_second_id(receiver: Receiver, dies_at: int, *, is_kept: bool) -> None:
    """The receiver fails every third time: each change comes with one id and one body, in the order of its alert."""
    receiver.answer = lambda: web.Response(status=500 if len(receiver.got) % 3 == 0 else 204)
    topic, lives = _Topic(dies_at, is_kept=is_kept), 0
    while topic.delivered() < len(CHANGES):
        lives += 1
        assert lives < 60, "it does not get on"
        try:
            await _live(topic, receiver)
        except* _Death:
            pass
    names = [headers["webhook-id"] for headers in receiver.headers]
    bodies = {name: body for name, (_, body) in zip(names, receiver.got, strict=True)}
    assert set(bodies) == {webhook_id(change, "duty") for change in CHANGES}
    assert all(bodies[name] == body for name, (_, body) in zip(names, receiver.got, strict=True))
    first: dict[str, dict[int, None]] = {}
    for body in bodies.values():
        data = json.loads(body)["data"]
        first.setdefault(data["key"], {})[data["sequence"]] = None
    assert {key: list(order) for key, order in first.items()} == {"a": [1, 2, 3], "b": [1, 2, 3]}
    assert lives > 1
