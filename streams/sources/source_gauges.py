"""Writes what polled sources tell of their queues into the topic `source_gauges`."""

from collections.abc import Iterable

from schemas.source_gauges import SOURCE_GAUGES, SourceGauge
from streams.kafka.occasional_writer import OccasionalWriter, WrittenRecord


class SourceGauges(OccasionalWriter):
    """Writes states of queues."""

    async def write(self, gauges: Iterable[SourceGauge]) -> None:
        """Write states, and return once Kafka has acknowledged them. Raises BrokerUnreachableError."""
        await self.write_records(
            WrittenRecord(SOURCE_GAUGES, each.key, each.model_dump_json().encode(), partition=0, at=each.at)
            for each in gauges
        )
