"""Which source records are archived: all but those that the worker's steps set aside. Pure.

The worker alone decides whether a record is an event: if its version and the sink's differ, both must still have the
same events.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from schemas.journal import Head, OffsetRange
from sinks.event_rows import SourceRecord
from streams.decoding.decoder import BadRecord, read_event
from streams.kafka.partitioner import partition_of


def records_to_archive(
    records: Sequence[SourceRecord], head: Head, set_aside: Sequence[OffsetRange]
) -> Sequence[SourceRecord]:
    """Leave out what was set aside. The records, of one partition, and the offset ranges are in order.

    Below `head.set_aside_from` the journal may have lost its notes. Only a sink that archives the same records again
    reads there; it decides for itself.
    """
    if not set_aside and (not records or records[0].offset >= head.set_aside_from):
        return records
    starts = [begin for begin, _ in set_aside]

    def is_archived(record: SourceRecord) -> bool:
        after = bisect_right(starts, record.offset)
        if after and record.offset < set_aside[after - 1][1]:
            return False
        return record.offset >= head.set_aside_from or _is_event_of_partition(record, head.partitions)

    return [record for record in records if is_archived(record)]


def _is_event_of_partition(record: SourceRecord, partitions: int) -> bool:
    try:
        read_event(record.topic, record.key, record.value)
    except BadRecord:
        return False
    return not partitions or partition_of(record.key or b"", partitions) == record.partition
