"""Six hours of a small centre up to this moment, and the parts' own metrics, in a database of its own.

The contacts are the same in every run: simulated at a day of the past, and moved to now.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import orjson

from schemas.alert_rules import AlertRules
from schemas.alerts import (
    Alert,
    AttemptOutcome,
    DeliveryAttempt,
    DeliveryRecord,
    Dimensions,
    Measurement,
    alert_id,
)
from schemas.source_gauges import QueueState, SourceGauge
from schemas.topics import AGENTS, CONTACTS
from sinks.alert_archive import change_rows, delivery_rows
from sinks.clickhouse.store import ClickHouseStore
from sinks.source_gauge_archive import source_gauge_rows
from sinks.store_protocol import Batch
from streams.alerts.known_alerts import KnownAlerts
from streams.alerts.lifecycle import changes
from streams.alerts.pipeline_rules import PartReading, PipelineReading, observations
from streams.clickhouse.connection import connect
from streams.kafka.topic_reader import TopicRecord
from streams.sources.simulator import Plan, simulate
from streams.times import at, now_ms
from tests.dashboards.grafana_days import ZONE, Days
from tests.dashboards.grafana_macros import Range
from tests.fixtures.clickhouse import ClickHouseServer, own_database
from tests.oracle.batch import samples
from tests.oracle.contacts import Contact, contacts
from tests.oracle.contacts import milliseconds as ms
from tests.sinks.reconcile.worker_and_sink import WorkerAndSink
from tests.sinks.rows import write
from tests.sinks.test_agent_views import archived

T = TypeVar("T")

#: A Wednesday noon in Helsinki, when most people are at work.
THEN: Final = ms("2026-10-21T12:00Z")
LASTS_MS: Final = 6 * 3_600_000
#: So many dead letters came, and the sink is so far behind, in milliseconds: both are more than the rules allow.
DEAD_LETTERS: Final = 12
BEHIND_MS: Final = 95_000
#: Each account of the source was last asked so long ago, in milliseconds.
SOURCE_ASKED_MS: Final = {"beta": 45_000, "acme": 15_000}
ATTEMPTS: Final[dict[str, tuple[AttemptOutcome, ...]]] = {
    "duty": ("retry", "retry", "delivered"),
    "wall": ("delivered",),
    "gone": ("permanent",),
}


class Parts(NamedTuple):
    """What was set up of the parts. Times in UTC milliseconds."""

    alerts: list[Alert]
    deliveries: list[DeliveryRecord]
    sources: list[SourceGauge]


class Now(NamedTuple):
    """The scene: as `Days`, with its contacts, the parts, and the store that saves gauges."""

    days: Days
    contacts: list[Contact]
    parts: Parts
    store: ClickHouseStore
    #: The minutes at which gauges were saved.
    saved: set[int]

    def save_gauges(self, minute: int) -> None:
        """Save the gauges of now under a minute, as the sink does at each turn."""
        self.store.save_gauges(minute)
        self.saved.add(minute)

    def steady(self, expected: Callable[[int], T], look: Callable[[], Any]) -> tuple[T, Any]:
        """Return the expected and the seen value, from a moment at which the expected one did not change."""
        while True:
            before = expected(now_ms())
            seen = look()
            if expected(now_ms()) == before:
                return before, seen


@contextmanager
def simulated_now(server: ClickHouseServer, database: str) -> Iterator[Now]:
    """Fold the hours, write what the parts tell, and save the gauges of this minute."""
    now = now_ms()
    plan = Plan(THEN - LASTS_MS, rate=0.25, seed=7, lasts_ms=LASTS_MS, zone=ZoneInfo(ZONE))
    sent = [(each.topic, each.key, _moved(each.value, now - THEN)) for each in simulate(plan)]
    events = [orjson.loads(value) for topic, _, value in sent if topic != AGENTS]
    agents = [orjson.loads(value) for topic, _, value in sent if topic == AGENTS]
    with own_database(server, database, PULSSI_TIME_ZONE=ZONE) as ours, connect(ours) as client:
        for topic in CONTACTS.values():
            WorkerAndSink(ours, topic).play((key, value) for of, key, value in sent if of == topic)
        parts = _parts(now)
        write(ours, archived(agents))
        write(ours, _rows(parts))
        over = Range((now - LASTS_MS - 3_600_000) // 1_000, (now + 3_600_000) // 1_000, 60)
        days = Days([*events, *agents], samples(events), client, over)
        scene = Now(days, contacts(events), parts, ClickHouseStore(ours), set())
        yield scene
        scene.store.close()


def _moved(value: bytes, by_ms: int) -> bytes:
    event = orjson.loads(value)
    moved = at(ms(event["occurred_at"])) + timedelta(milliseconds=by_ms)
    event["occurred_at"] = moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return orjson.dumps(event)


def _parts(now: int) -> Parts:
    """Have the engine's own rules judge dead letters and a late sink; then a surge; deliveries; a source's queues."""
    rules = AlertRules()
    told: list[Alert] = []
    # The worker, late too, is well again once its alert has fired for long enough.
    fires = rules.pipeline.hold_ms
    for since, late_ms in ((0, BEHIND_MS), (fires, BEHIND_MS), (fires + rules.timing.least_firing_ms, 0)):
        moment = now - 600_000 + since
        parts = {"sink": PartReading(moment, BEHIND_MS), "worker": PartReading(moment, late_ms)}
        reading = PipelineReading(parts, dead_letters=DEAD_LETTERS)
        seen = observations(reading, rules.pipeline, None, rules.timing.hysteresis, moment)
        told += changes(KnownAlerts(told), seen, moment, rules.timing)
    fired = now - 300_000
    surges = [_surge(tag, at_ms) for tag, at_ms in (("outage", fired), ("invoice", fired - 60_000))]
    told += surges
    deliveries = [_delivery(name, outcomes, surges[0]) for name, outcomes in ATTEMPTS.items()]
    sources = [
        SourceGauge(
            at=now - SOURCE_ASKED_MS[account],
            source="giosg",
            account=account,
            **QueueState(queue=queue, channel="chat", waiting=3).model_dump(),
        )
        for account, queue in (("acme", "web"), ("beta", "web"), ("acme", "mobile"))
    ]
    return Parts(told, deliveries, sources)


def _surge(tag: str, fired: int) -> Alert:
    return Alert(
        key=tag,
        id=alert_id(tag, fired),
        sequence=1,
        kind="floor",
        condition="surge",
        rule="many",
        severity="warning",
        dimensions=Dimensions(channel="chat", queue="support", tag=tag),
        state="firing",
        reason="first",
        at=fired,
        pending_since=fired,
        fired_at=fired,
        measured=Measurement(value=31, limit=12.5, unit="count", expected=4.0, weeks=4),
    )


def _delivery(name: str, outcomes: tuple[AttemptOutcome, ...], alert: Alert) -> DeliveryRecord:
    attempts = [
        DeliveryAttempt(at=alert.at + 1_000 * number, outcome=outcome, why="")
        for number, outcome in enumerate(outcomes, 1)
    ]
    return DeliveryRecord(
        webhook_id=name,
        destination=name,
        queue=alert.key,
        sequence=alert.sequence,
        alert_id=alert.id,
        title="title",
        at=alert.at,
        attempted=len(attempts),
        attempts=attempts,
        body=None,
    )


def _rows(parts: Parts) -> Batch:
    def records(of: list[Any], key: Callable[[Any], str]) -> list[TopicRecord]:
        return [
            TopicRecord(offset, 0, key(one).encode(), one.model_dump_json().encode()) for offset, one in enumerate(of)
        ]

    return Batch(
        alert_changes=change_rows(records(parts.alerts, lambda alert: alert.key)),
        alert_deliveries=delivery_rows(records(parts.deliveries, lambda delivery: delivery.webhook_id)),
        source_gauges=source_gauge_rows(records(parts.sources, lambda gauge: gauge.queue)),
    )
