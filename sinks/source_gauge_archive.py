"""Writes the source gauges from their topic into the store; see `alert_archive`."""

from schemas.settings import Settings
from schemas.source_gauges import SOURCE_GAUGES, decode_source_gauge
from sinks.alert_archive import Insert, StopsWithin, archive_topic, pass_over
from sinks.rows import SourceGaugeRow
from sinks.store_protocol import Batch
from streams.kafka.topic_reader import TopicRecord


def source_gauge_rows(records: list[TopicRecord]) -> list[SourceGaugeRow]:
    """Make the rows of a topic's records; those that this version cannot read are passed over, and logged."""
    rows = []
    for record in records:
        if record.value is None:
            continue
        try:
            gauge = decode_source_gauge(record.value)
        except ValueError:
            pass_over(SOURCE_GAUGES, record.offset)
            continue
        state = {"queue": "", "channel": ""} | gauge.model_dump(exclude={"v"})
        rows.append(SourceGaugeRow(version=record.offset, **state))
    return rows


async def archive_source_gauges(settings: Settings, insert: Insert, stops_within: StopsWithin) -> None:
    """Write every source gauge; as `archive_alerts`."""

    def rows(records: list[TopicRecord]) -> Batch:
        return Batch(source_gauges=source_gauge_rows(records))

    await archive_topic(settings, SOURCE_GAUGES, rows, insert, stops_within)
