"""What a deliverer does during its turn: reads changes and tags, makes their deliveries, and gives them to outboxes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Final, NoReturn

from schemas.alerts import (
    ALERT_DELIVERIES,
    ALERTS,
    OPENING_KEY,
    Alert,
    Command,
    DeliveryRecord,
    NewerVersionError,
    Retry,
    decode_alert,
    decode_delivery,
)
from schemas.exits import EndError, Exit
from schemas.policies import normal_tag
from schemas.settings import Settings
from sinks.hooks.delivery_course import asked_for_again, given_up, is_asked_for
from sinks.hooks.destinations import Hooks
from sinks.hooks.messages import TaggedContact
from sinks.hooks.outbox import TAKEN_OUT, Outbox, Surroundings
from sinks.hooks.tag_view import TagView
from streams.kafka.topic_reader import TopicReader, TopicRecord, read_newest
from streams.live.journal_follower import JournalFollower
from streams.times import now_ms

#: The topic `alerts` is read several times a second; its records become deliveries within seconds.
STUCK_AFTER_S: Final = 60.0

_LOG: Final = logging.getLogger(__name__)


class Turn:
    """The outboxes by destination, and what fills them."""

    def __init__(self, settings: Settings, surroundings: Surroundings) -> None:
        self._settings = settings
        self._with = surroundings
        self._ledger = surroundings.ledger
        self._outboxes: dict[str, Outbox] = {}
        self._tagged: asyncio.Queue[TaggedContact] = asyncio.Queue()
        self._tags = frozenset[str]()
        self._wants_tags = asyncio.Event()
        #: How many deliveries wait because their destination is held.
        self._held = 0
        #: Whether a held destination was mended or removed: then another turn begins, which sends what waits for it.
        self.is_outdated = False
        #: When the topic `alerts` was last read, by the monotonic clock.
        self._asked_at = time.monotonic()
        self._open(self._ledger.hooks)

    @property
    def hooks(self) -> Hooks:
        """The destinations that it delivers to."""
        return self._ledger.hooks

    @property
    def waiting(self) -> int:
        """Count the deliveries that wait for an attempt."""
        return self._held + sum(outbox.waiting for outbox in self._outboxes.values())

    @property
    def disabled(self) -> int:
        """Count the destinations that are disabled."""
        return sum(each.disabled_at is not None for each in self._ledger.destinations.values())

    def stuck(self) -> str | None:
        """Say what is stuck; None: nothing is."""
        idle_s = time.monotonic() - self._asked_at
        if idle_s > STUCK_AFTER_S:
            return f"the topic {ALERTS} was not asked for {idle_s:.0f} s"
        return next((fault for each in self._outboxes.values() if (fault := each.stuck()) is not None), None)

    async def begin(self) -> None:
        """Store since when each destination gets messages, and continue the deliveries of a former deliverer."""
        unfinished, self._ledger.unfinished = list(self._ledger.unfinished.values()), {}
        firing = await self._firing() if any(each.status == "delivered" for each in unfinished) else set[str]()
        kept: list[DeliveryRecord] = []
        for record in unfinished:
            if record.status == "delivered" and record.resolved_at is None and record.alert_id not in firing:
                kept.append(record.model_copy(update={"body": None}))
            elif record.destination in self._outboxes:
                self._outboxes[record.destination].add(record)
            elif self.hooks.is_held(record.destination):
                self._held += record.status == "waiting"
            elif record.status == "waiting":
                kept.append(given_up(record, TAKEN_OUT))
        await self._with.keep(kept)

    async def _firing(self) -> set[str]:
        """Name the alerts that fire."""
        records = await read_newest(self._settings, ALERTS)
        alerts = (_alert(key, value, 0) for key, value in records.items())
        return {alert.id for alert in alerts if alert is not None and alert.state == "firing"}

    def use(self, hooks: Hooks) -> None:
        """Deliver to these destinations from now on."""
        if self.is_outdated or self._ledger.releases(hooks):
            self.is_outdated = True
            return
        self._ledger.use(hooks, self._ledger.position, now_ms())
        self._open(hooks)
        self._with.tasks.create_task(self._with.keep([]))

    def _open(self, hooks: Hooks) -> None:
        named = {each.name: each for each in hooks.destinations}
        for name, outbox in self._outboxes.items():
            self._with.tasks.create_task(outbox.use(named.get(name)))
        for name, destination in named.items():
            if name not in self._outboxes:
                self._outboxes[name] = Outbox(destination, self._with)
        tags = (each.filter.tags for each in hooks.destinations if "tags" in each.events)
        self._tags = frozenset(normal_tag(tag) for of in tags for tag in of)
        if self._tags:
            self._wants_tags.set()

    async def deliver_alerts(self, reader: TopicReader) -> None:
        """Make the deliveries of every change of an alert, for ever. Raises KafkaError."""
        while True:
            self._asked_at = time.monotonic()
            records = await reader.records()
            made: list[DeliveryRecord] = []
            over: list[tuple[str, str]] = []
            for record in records:
                alert = _alert(record.key, record.value, record.offset)
                deliveries = [] if alert is None else self._ledger.of_alert(alert, record.offset, now_ms())
                made += deliveries
                if _is_over(record, alert):
                    names = self._outboxes.keys() - {each.destination for each in deliveries}
                    over += [(name, record.key.decode()) for name in names]
                self._ledger.position = record.offset + 1
            if records:
                await self._send(made)
            for name, queue in over:
                self._outboxes[name].end(queue)

    async def deliver_tags(self) -> None:
        """Make the deliveries of tags, for ever, as soon as a destination wants some. Raises KafkaError."""
        await self._wants_tags.wait()
        view = TagView(lambda: self._tags, self._tagged.put_nowait)
        journals = JournalFollower(self._settings, view)
        self._with.tasks.create_task(self._send_tags())
        try:
            await journals.follow()
        finally:
            await journals.stop()

    async def _send_tags(self) -> None:
        while True:
            tagged = [await self._tagged.get()]
            while not self._tagged.empty():
                tagged.append(self._tagged.get_nowait())
            made = [record for each in tagged for record in self._ledger.of_tag(each, now_ms())]
            if made:
                await self._send(made)

    async def _send(self, made: list[DeliveryRecord]) -> None:
        """Store new deliveries together with the position, then give them to their outboxes."""
        await self._with.keep(made)
        for record in made:
            if record.status == "waiting":
                self._outboxes[record.destination].add(record)

    async def retry(self, commands: Iterable[Command], records: Mapping[bytes, bytes] | None = None) -> None:
        """Try the deliveries that somebody asked for; `records`: the newest records, if they were read just now."""
        for command in commands:
            if not isinstance(command, Retry) or any(
                outbox.hasten(command.webhook_id, command.at) for outbox in self._outboxes.values()
            ):
                continue
            if records is None:
                records = await read_newest(self._settings, ALERT_DELIVERIES)
            key = command.webhook_id.encode()
            record = decode_delivery(key, records[key]) if key in records else None
            is_kept = record is not None and record.status == "given_up" and record.body is not None
            if record is None or not is_kept or not is_asked_for(record, command.at):
                continue
            if record.destination in self._outboxes:
                again = asked_for_again(record, command.at)
                await self._with.keep([again])
                self._outboxes[record.destination].try_again(again)

    async def close(self) -> None:
        """Close the connections."""
        for outbox in self._outboxes.values():
            await outbox.close()


def _alert(key: bytes, value: bytes | None, offset: int) -> Alert | None:
    if key == OPENING_KEY or value is None:
        return None
    try:
        return decode_alert(value)
    except NewerVersionError:
        _end(offset)
    except ValueError:
        _LOG.warning("%s: the record at offset %d is not readable here, so no message is sent about it", ALERTS, offset)
        return None


def _end(offset: int) -> NoReturn:
    raise EndError(
        f"{ALERTS}: a newer version wrote the record at offset {offset}: run that version; nothing is lost", Exit.NO
    )


def _is_over(record: TopicRecord, alert: Alert | None) -> bool:
    return record.key != OPENING_KEY and (record.value is None or (alert is not None and alert.state == "resolved"))
