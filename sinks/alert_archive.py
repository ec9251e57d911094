"""Writes the changes of alerts, and the attempts to deliver them, from their topics into the store.

The topics are small and are read from their beginning at each start. Rows that are written again replace the same rows,
so neither a recreated topic nor a new database needs to be detected.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, TypeAlias

from aiokafka.errors import KafkaError

from schemas.alerts import ALERT_DELIVERIES, ALERTS, OPENING_KEY, Alert, DeliveryRecord, decode_alert, decode_delivery
from schemas.settings import Settings
from sinks.rows import AlertChangeRow, AlertDeliveryRow
from sinks.store_protocol import Batch
from streams.kafka.brokers import TopicsMissingError
from streams.kafka.topic_reader import TopicRecord, reading

#: Between two attempts to reach the broker.
AGAIN_MS: Final = 2_000

Insert: TypeAlias = Callable[[Batch], Awaitable[None]]
StopsWithin: TypeAlias = Callable[[float], Awaitable[bool]]

_LOG: Final = logging.getLogger(__name__)


def change_row(alert: Alert, offset: int) -> AlertChangeRow | None:
    """Make the row of an alert's change; None while it is pending: it may never fire."""
    if not alert.id:
        return None
    fields: dict[str, Any] = {
        **alert.model_dump(exclude={"v", "id", "dimensions", "measured", "contacts", "history", "notified"}),
        **alert.dimensions.model_dump(),
        **alert.measured.model_dump(),
        "alert_id": alert.id,
        "version": offset,
        "contacts": [contact.contact_id for contact in alert.contacts],
    }
    texts = {"channel", "queue", "priority", "segment", "tag", "contact_id", "silenced_by", "acknowledged_by"}
    for name in texts | {"metric", "formula"}:
        fields[name] = fields[name] or ""
    return AlertChangeRow(**{name: fields[name] for name in AlertChangeRow._fields})


def change_rows(records: list[TopicRecord]) -> list[AlertChangeRow]:
    """Make the rows of a topic's records; those that this version cannot read are passed over, and logged."""
    rows = []
    for record in records:
        if record.key == OPENING_KEY or record.value is None:
            continue
        try:
            row = change_row(decode_alert(record.value), record.offset)
        except ValueError:
            pass_over(ALERTS, record.offset)
            continue
        if row is not None:
            rows.append(row)
    return rows


def delivery_rows(records: list[TopicRecord]) -> list[AlertDeliveryRow]:
    """Make the rows of all attempts in a topic's records; records that cannot be read are logged and skipped."""
    rows: list[AlertDeliveryRow] = []
    for record in records:
        if record.value is None:
            continue
        try:
            delivery = decode_delivery(record.key, record.value)
        except ValueError:
            pass_over(ALERT_DELIVERIES, record.offset)
            continue
        if delivery is not None:
            rows += _attempts(delivery, record.offset)
    return rows


def _attempts(delivery: DeliveryRecord, offset: int) -> Iterator[AlertDeliveryRow]:
    first = delivery.attempted - len(delivery.attempts) + 1
    for number, attempt in enumerate(delivery.attempts, first):
        delivered = attempt.outcome == "delivered"
        is_last = number == delivery.attempted and delivery.status == "given_up"
        yield AlertDeliveryRow(
            alert_id=delivery.alert_id,
            destination=delivery.destination,
            webhook_id=delivery.webhook_id,
            attempt=number,
            version=offset,
            at=attempt.at,
            status="delivered" if delivered else "given_up" if is_last else "failed",
            error="" if delivered else attempt.why,
        )


def pass_over(topic: str, offset: int) -> None:
    """Log that a record is not readable here."""
    _LOG.warning("%s: the record at offset %d is not readable here, and not in ClickHouse", topic, offset)


async def archive_alerts(settings: Settings, insert: Insert, stops_within: StopsWithin) -> None:
    """Write every change of an alert; waits for the broker and the topic.

    `stops_within` passes milliseconds and tells whether to end.
    """
    await archive_topic(
        settings, ALERTS, lambda records: Batch(alert_changes=change_rows(records)), insert, stops_within
    )


async def archive_deliveries(settings: Settings, insert: Insert, stops_within: StopsWithin) -> None:
    """Write every attempt to deliver; as `archive_alerts`."""

    def rows(records: list[TopicRecord]) -> Batch:
        return Batch(alert_deliveries=delivery_rows(records))

    await archive_topic(settings, ALERT_DELIVERIES, rows, insert, stops_within)


async def archive_topic(
    settings: Settings,
    topic: str,
    rows: Callable[[list[TopicRecord]], Batch],
    insert: Insert,
    stops_within: StopsWithin,
    every_ms: int = 0,
) -> None:
    """Write a topic's records from its beginning on, as `archive_alerts` does; `every_ms`: between two inserts."""
    waits = False
    while not await stops_within(AGAIN_MS * waits):
        try:
            async with reading(settings, topic) as reader:
                waits = False
                pause_ms = 0
                while not await stops_within(pause_ms):
                    batch = rows(await reader.records())
                    pause_ms = every_ms if batch else 0
                    if batch:
                        await insert(batch)
        except (KafkaError, OSError, TopicsMissingError) as error:
            if not waits:
                _LOG.warning("%s is not written to ClickHouse until Kafka answers, nothing is lost: %s", topic, error)
            waits = True
