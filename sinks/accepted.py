"""Which source records are archived: all but those that the worker's steps set aside.

Pure. The worker alone judges a record: where its version and the sink's differ, both must still have the same events.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from schemas.journal import Head, OffsetRange
from sinks.event_rows import Record
from streams.decoding.decoder import BadRecord, read_event
from streams.kafka.partitioner import partition_of


def accepted(records: Sequence[Record], head: Head, set_aside: Sequence[OffsetRange]) -> Sequence[Record]:
    """Leave out what was set aside; records, of one partition, and offset ranges are in order.

    Below `head.set_aside_from` the journal may not say it any more. Only a sink that archives again what was archived
    before reads there, and has to judge for itself.
    """
    if not set_aside and (not records or records[0].offset >= head.set_aside_from):
        return records
    begins = [begin for begin, _ in set_aside]

    def is_accepted(record: Record) -> bool:
        at = bisect_right(begins, record.offset)
        if at and record.offset < set_aside[at - 1][1]:
            return False
        return record.offset >= head.set_aside_from or _would_be_accepted(record, head.partitions)

    return [record for record in records if is_accepted(record)]


def _would_be_accepted(record: Record, partitions: int) -> bool:
    try:
        read_event(record.topic, record.key, record.value)
    except BadRecord:
        return False
    return not partitions or partition_of(record.key or b"", partitions) == record.partition
