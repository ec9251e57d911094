"""Faust's consumer, in batches: one message holds all records that one fetch brought of one partition.

Idiomatic Faust makes two tasks a record; here it makes two a batch. Reading continues where the journals say, not at
the group's committed offsets, which only show lag. The offset at which a fetch began is noted in the consumer's own
thread, with the seek and the fetch themselves.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from schemas.topics import SourcePartition
from streams.assignment.assigned_partitions import AssignedPartitions, Position
from streams.assignment.failures import During, react
from streams.kafka.static_membership import name_member, watch_partition_counts
from streams.monitoring.activities import Phase

#: The position of a fetch without a seek before it; the worker skips such a batch.
NO_POSITION: Final = Position(0, -1)

#: A fetch is answered once it brings so much, or after so long.
FETCH_MIN_BYTES: Final = 256 * 1024
FETCH_WAIT_MS: Final = 100


class Fetch(NamedTuple):
    """How a batch was fetched."""

    session: int
    #: The offset at which the fetch began.
    offset: int
    #: By the monotonic clock.
    fetched_at: float
    log_end: int


class BatchThread(driver.AIOKafkaConsumerThread):
    """The thread that fetches; it alone knows where each fetch began."""

    logger = logging.getLogger("faust")  # else mode logs as this module

    def __post_init__(self) -> None:
        """Begin with no positions: what is fetched before the first seek belongs to no session."""
        super().__post_init__()
        self._positions: dict[SourcePartition, Position] = {}

    def _create_worker_consumer(self, transport: Any) -> Any:  # noqa: ANN401 - Faust's own
        """Read committed records only, for Faust would read those of aborted transactions; and not too often.

        A step costs the same for one record as for a hundred, most of it in the broker: under load a fetch waits for
        many records, and never longer than a person would notice.
        """
        consumer = super()._create_worker_consumer(transport)
        # Not settings of Faust's; read at its start.
        consumer._fetch_min_bytes, consumer._fetch_max_wait_ms = FETCH_MIN_BYTES, FETCH_WAIT_MS  # noqa: SLF001 - so
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - as above
        return consumer

    async def on_start(self) -> None:
        """Start the consumer; before it joins the group, add the worker's name, if any, to its heartbeats."""
        await super().on_start()
        if name := self.app.conf.consumer_group_instance_id:
            name_member(self._ensure_consumer()._coordinator, name, partial(react, During.MEMBERSHIP))  # noqa: SLF001 - so

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forget the positions: until the next seek, what is fetched belongs to no session."""
        self._positions.clear()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Forget them once more: aiokafka continues at the group's committed offsets, which may be past the heads."""
        self._positions.clear()
        consumer = self._ensure_consumer()
        if self.app.conf.consumer_group_instance_id:
            watch_partition_counts(consumer._coordinator, consumer.subscription())  # noqa: SLF001 - as above
        await super().on_partitions_assigned(assigned, generation_id)

    async def seek_to(self, positions: Mapping[SourcePartition, Position]) -> None:
        """Seek; what is fetched from there on belongs to the position's session."""
        await self.call_thread(self._seek_to, positions)

    async def _seek_to(self, positions: Mapping[SourcePartition, Position]) -> None:
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        for partition, position in positions.items():
            tp = driver.ensure_aiokafka_TP(TP(*partition))
            if tp in assigned:
                consumer.seek(tp, position.offset)
                self._positions[partition] = position

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Log nothing: Faust reports partitions after a quiet time, after an outage and without a group commit.

        None of these is a fault here, and each of its messages is a page long.
        """

    async def _fetch_records(self, consumer: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - Faust's own
        with self.app.partitions.activities.during(Phase.FETCHING, "the consumer"):
            fetched = await super()._fetch_records(consumer, *args, **kwargs)
        return {tp: [self._batch(tp, records, consumer.highwater(tp))] for tp, records in fetched.items() if records}

    def _batch(self, tp: TP, records: list[Any], log_end: int) -> Any:  # noqa: ANN401 - a record of aiokafka
        """Make one message of all records, their fetch its key, at the last offset, so that an ack covers all."""
        partition, last = (tp.topic, tp.partition), records[-1]
        offset, session = self._positions.get(partition, NO_POSITION)
        if session != NO_POSITION.session:
            self._positions[partition] = Position(last.offset + 1, session)
        fetch = Fetch(session, offset, time.monotonic(), log_end)
        return replace(last, headers=(), key=fetch, value=records, serialized_key_size=0)


class BatchConsumer(driver.Consumer):
    """Faust's consumer over that thread."""

    logger = logging.getLogger("faust")  # as above

    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, beacon=self.beacon)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek to the positions of the journals. Faust calls this after each assignment, and sometimes in between.

        Then it clears all channels and resumes the flow. Where this rebalance began while the one before ended, the
        flow is on already, and what is fetched after the seek would be cleared away: it is stopped first (ADR 1).
        """
        self.stop_flow()
        self.app.flow_control.suspend()
        partitions: AssignedPartitions = self.app.partitions
        partitions.seek = self.seek_to
        assigned = frozenset((tp.topic, tp.partition) for tp in self.assignment())
        positions = await partitions.assign(assigned)
        await self._thread.seek_to(positions)
        return {TP(*partition): position.offset for partition, position in positions.items()}

    async def seek_to(self, positions: Mapping[SourcePartition, Position]) -> None:
        """Seek to where opened partitions continue, in Faust's own read offsets too: it drops messages below them.

        Fetching is resumed too: Faust skips a partition whose channel is full until that has emptied, and where the
        channel was cleared instead it may skip it for ever.
        """
        await self._thread.seek_to(positions)
        for partition, position in positions.items():
            self._read_offset[TP(*partition)] = position.offset or None
        self.resume_partitions(self.assignment() & {TP(*partition) for partition in positions})

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        # Faust counts the arriving message's own offset into the gap, so that it stands twice in its list of acked
        # offsets, the run of consecutive numbers ends there, and each commit moves on by one batch only.
        await super()._add_gap(tp, offset_from, offset_to - 1)


class BatchTransport(driver.Transport):
    """The transport that an app is given in place of its own."""

    Consumer = BatchConsumer
