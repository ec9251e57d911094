"""Writes what polled sources report about their queues into the topic `source_gauges`."""

from collections.abc import Iterable, Sequence

from schemas.source_gauges import SOURCE_GAUGES, NoQueues, SourceGauge
from streams.kafka.occasional_writer import OccasionalWriter, WrittenRecord


class SourceGauges(OccasionalWriter):
    """Writes states of queues."""

    async def write(self, gauges: Iterable[SourceGauge | NoQueues]) -> None:
        """Write states, and return once Kafka has acknowledged them. Raises BrokerUnreachableError."""
        await self.write_records(
            WrittenRecord(SOURCE_GAUGES, each.key, each.model_dump_json().encode(), partition=0, at=each.at)
            for each in gauges
        )


def merge_same_queues(gauges: Iterable[SourceGauge]) -> list[SourceGauge]:
    """Merge the states of one answer that have the same queue name, in the order of their first.

    Counts of contacts are added up if each state has them; else the sum is unknown. Agents and slots become unknown,
    because one agent may serve several queues.
    """
    together: dict[tuple[bytes, int], list[SourceGauge]] = {}
    for each in gauges:
        together.setdefault((each.key, each.at), []).append(each)
    return [some[0] if len(some) == 1 else _added_up(some) for some in together.values()]


def _added_up(some: Sequence[SourceGauge]) -> SourceGauge:
    # A queue in which nobody waits may have no longest wait.
    waits = [0 if each.longest_wait_ms is None and each.waiting == 0 else each.longest_wait_ms for each in some]
    told = [wait for wait in waits if wait is not None]
    return some[0].model_copy(
        update={
            "waiting": _sum([each.waiting for each in some]),
            "handling": _sum([each.handling for each in some]),
            "longest_wait_ms": max(told) if len(told) == len(waits) else None,
            **dict.fromkeys(("agents_signed_in", "agents_available", "agents_away", "free_slots")),
        }
    )


def _sum(counts: Sequence[int | None]) -> int | None:
    told = [count for count in counts if count is not None]
    return sum(told) if len(told) == len(counts) else None
