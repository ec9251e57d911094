"""The changes of alerts, from their topic into the store.

The topic is small and is read from its beginning at each start: a change that is written again replaces itself, and
neither a recreated topic nor a new database needs to be noticed.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka.errors import KafkaError

from schemas.alerts import ALERTS, OPENING_KEY, Alert, decode_alert
from schemas.settings import Settings
from sinks.rows import AlertChangeRow
from streams.kafka.brokers import TopicsMissingError
from streams.kafka.topic_reader import TopicRecord, reading

#: Between two attempts to reach the broker.
AGAIN_MS: Final = 2_000

_LOG: Final = logging.getLogger(__name__)


def change_row(alert: Alert, offset: int) -> AlertChangeRow | None:
    """Make the row of an alert's change; None for one that has not fired: nobody was told of it, nor will be."""
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
            _LOG.warning(
                "%s: the record at offset %d is not readable here, and not in ClickHouse", ALERTS, record.offset
            )
            continue
        if row is not None:
            rows.append(row)
    return rows


async def archive_alerts(
    settings: Settings,
    insert: Callable[[list[AlertChangeRow]], Awaitable[None]],
    stops_within: Callable[[float], Awaitable[bool]],
) -> None:
    """Write every change of an alert; waits for the broker and the topic.

    `stops_within` passes milliseconds and tells whether to end.
    """
    waits = False
    while not await stops_within(AGAIN_MS * waits):
        try:
            async with reading(settings, ALERTS) as reader:
                waits = False
                while not await stops_within(0):
                    if rows := change_rows(await reader.records()):
                        await insert(rows)
        except (KafkaError, OSError, TopicsMissingError) as error:
            if not waits:
                _LOG.warning("alerts are not written to ClickHouse until Kafka answers, none is lost: %s", error)
            waits = True
