"""Which epochs of the source partitions are running, and what the sink has written of them. Pure.

Nothing that is half written may be called wrong. An epoch has ended once a later one was claimed: no more of it will
be written. Of a running epoch, all that its progress covers is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schemas.topics import SourcePartition
from sinks.rows import OFFSET_BITS, Progress, version_of

#: Stands for the journal offset in the version of what a repair wrote: above any that its epoch can have.
REPAIR_OFFSET: Final = (1 << OFFSET_BITS) - 1


def epoch_of(version: int) -> int:
    """Return the epoch that wrote a row."""
    return version >> OFFSET_BITS


def repair_version(epoch: int) -> int:
    """Return the version of a row that a repair writes: above any of the ended epoch, below any of a later one."""
    return version_of(epoch, REPAIR_OFFSET)


class Epochs:
    """The sink's progress. It must be read before the rows that are compared."""

    def __init__(self, progress: Sequence[Progress]) -> None:
        by_epoch = sorted(progress, key=lambda row: row.epoch)
        self._latest: dict[SourcePartition, Progress] = {(row.topic, row.partition): row for row in by_epoch}
        ended = (row.epoch for row in by_epoch if not self.is_running((row.topic, row.partition), row.epoch))
        #: The last epoch that has ended in any partition; 0 where none has.
        self.last_ended = max(ended, default=0)

    def is_running(self, source: SourcePartition, epoch: int) -> bool:
        """Tell whether an epoch may still write. One without any progress has not been claimed yet, and may."""
        latest = self._latest.get(source)
        return latest is None or epoch >= latest.epoch

    def is_event_written(self, source: SourcePartition, epoch: int, offset: int) -> bool:
        """Tell whether all rows that an archived event gives are written, or never will be."""
        if not self.is_running(source, epoch):
            return True
        latest = self._latest.get(source)
        # Which contacts are parked is not known here; while there are any, no contact of the partition is compared.
        return latest is not None and epoch == latest.epoch and offset < latest.next and not latest.parked

    def is_row_written(self, source: SourcePartition, version: int) -> bool:
        """Tell whether a row belongs to a batch that was written completely."""
        epoch, offset = epoch_of(version), version & REPAIR_OFFSET
        if offset == REPAIR_OFFSET or not self.is_running(source, epoch):
            return True
        latest = self._latest.get(source)
        return latest is not None and epoch == latest.epoch and offset < latest.journal_end
