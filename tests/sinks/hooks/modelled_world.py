"""What outlives every process of a modelled centre: topics, commands, what receivers got, the judgements made."""

import asyncio
import contextvars
import json
from collections.abc import Sequence
from typing import Final, NamedTuple

from aiokafka.errors import ProducerFenced

from schemas.alert_rules import AlertRules
from schemas.alerts import (
    ALERT_DELIVERIES,
    ALERTS,
    OPENING_KEY,
    STATE_KEY,
    Acknowledge,
    Alert,
    Command,
    DelivererState,
    DeliveryRecord,
    Silence,
    decode_alert,
)
from schemas.policies import Rules
from sinks.hooks.answers import Answer
from sinks.hooks.delivery import Delivery
from sinks.hooks.destinations import Destination, Hooks
from streams.journal.step_assembly import Step
from streams.kafka.topic_reader import TopicRecord
from tests.oracle.alert_sights import Call, House, sights
from tests.oracle.alerts import Moment
from tests.sinks.hooks.alerts import LINKS
from tests.sinks.hooks.lives import Life
from tests.sinks.hooks.virtual_time import VirtualTime

#: The process that runs.
LIFE: Final[contextvars.ContextVar[Life]] = contextvars.ContextVar("life")


class Log:
    """A topic of one partition, of which one writer at a time may write."""

    def __init__(self) -> None:
        self.epoch = 0
        #: A transaction ends with a marker, which has an offset and is no record.
        self.records: list[tuple[bytes, bytes | None] | None] = []

    def write(self, epoch: int, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Write in a transaction. Raises ProducerFenced."""
        if epoch != self.epoch:
            raise ProducerFenced
        self.records += [*records, None]

    def newest(self) -> dict[bytes, bytes]:
        """Give the newest value of each key."""
        found: dict[bytes, bytes] = {}
        for key, value in filter(None, self.records):
            found.pop(key, None)
            if value is not None:
                found[key] = value
        return found

    def read(self, position: int) -> list[TopicRecord]:
        """Read from an offset on."""
        tail = enumerate(self.records[position:], position)
        return [TopicRecord(at, 0, *record) for at, record in tail if record is not None]

    def keys(self) -> set[str]:
        """Name all alerts that there ever were."""
        return {record[0].decode() for record in self.records if record is not None} - {OPENING_KEY.decode()}

    def changes(self) -> list[tuple[int, Alert]]:
        """Read all alerts with their offsets."""
        return [
            (each.offset, decode_alert(each.value)) for each in self.read(0) if each.key != OPENING_KEY and each.value
        ]


class Course(NamedTuple):
    """What happens in a centre."""

    calls: tuple[Call, ...]
    #: The journal's steps, with the times at which they are there.
    steps: tuple[tuple[int, Step], ...]
    commands: tuple[Silence, ...]
    #: Who acknowledges, and when: whatever fires then.
    acknowledges: tuple[tuple[int, str], ...]
    #: From when until when figures are old.
    old: tuple[tuple[int, int], ...]
    lasts_s: float

    def is_old(self, now: int) -> bool:
        """Tell whether figures are old."""
        return any(begin <= now < end for begin, end in self.old)

    def known_at(self, now: int) -> int:
        """Tell up to when all is counted."""
        return min([now, *(begin for begin, end in self.old if begin <= now < end)])


class Got(NamedTuple):
    """What a receiver got."""

    destination: str
    webhook_id: str
    body: bytes


class World:
    """What outlives every process."""

    def __init__(
        self,
        loop: VirtualTime,
        course: Course,
        house: House,
        rules: tuple[Rules, AlertRules],
        to: tuple[Destination, ...],
    ) -> None:
        self.loop = loop
        self.course = course
        self.house = house
        self.rules, self.alert_rules = rules
        self.hooks = Hooks(to, LINKS)
        self.logs = {ALERTS: Log(), ALERT_DELIVERIES: Log()}
        self.commands: list[Command] = []
        self.got: list[Got] = []
        #: What processes sent that had been stopped, and had begun to send it since.
        self.sent_anew = 0
        #: The judgements that had an effect, or might have had one.
        self.moments: list[Moment] = []
        self.lives: dict[str, list[Life]] = {"engine": [], "deliverer": []}

    def answer(self, delivery: Delivery) -> Answer:
        """Receive a delivery; every third one fails."""
        self.sent_anew += LIFE.get().begins_anew
        self.got.append(Got(delivery.destination, delivery.webhook_id, delivery.body))
        return Answer(500 if len(self.got) % 3 == 0 else 204)

    async def give_commands(self) -> None:
        """Say what people say, at its time."""
        said: list[tuple[int, Silence | str]] = [(each.at, each) for each in self.course.commands]
        said += self.course.acknowledges
        for at, what in sorted(said, key=lambda each: each[0]):
            await asyncio.sleep(max(0, (at - self.loop.now_ms()) / 1_000))
            if isinstance(what, Silence):
                self.commands.append(what)
                continue
            newest = {alert.key: alert for _, alert in self.logs[ALERTS].changes()}
            self.commands += [
                Acknowledge(type="acknowledge", at=at, by=what, alert_id=alert.id)
                for alert in newest.values()
                if alert.state == "firing"
            ]

    def moment(self, now: int) -> Moment:
        """Describe a judgement, for the batch."""
        known_at = self.course.known_at(now)
        calls = [
            call if call.until is None or call.until <= known_at else call._replace(until=None)
            for call in self.course.calls
            if call.since <= known_at
        ]
        seen = sights(calls, self.house, now)
        keys = seen.keys() | self.logs[ALERTS].keys()
        said = self.commands[: LIFE.get().commands_read]
        quiet: dict[str, str] = {}
        for silence in said:
            if isinstance(silence, Silence) and silence.at <= now < silence.until:
                quiet |= {of: silence.silence_id for of in keys if self._queue_of(of) == silence.dimensions.queue}
        acknowledged = {each.alert_id: each.by for each in reversed(said) if isinstance(each, Acknowledge)}
        return Moment(now, seen, self.course.is_old(now), quiet, acknowledged)

    def _queue_of(self, key: str) -> str:
        kind, _, third, *more = json.loads(key)
        if kind == "contact":
            return next(call.queue for call in self.course.calls if call.contact_id == third)
        return str(more[0])

    def state(self) -> DelivererState:
        """Give what the deliverer knows of itself."""
        return DelivererState.model_validate_json(self.logs[ALERT_DELIVERIES].newest()[STATE_KEY])

    def deliveries(self) -> list[DeliveryRecord]:
        """Give what is kept of deliveries."""
        newest = self.logs[ALERT_DELIVERIES].newest()
        return [
            DeliveryRecord.model_validate_json(each)
            for key, each in newest.items()
            if key not in {STATE_KEY, OPENING_KEY}
        ]
