"""Which epochs of the source partitions still run, and what of them is in: so that nothing is judged half written.

Pure. An epoch is ended once a later one was claimed. Of a running epoch only what its progress covers is in; of an
ended one, all there will ever be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schemas.topics import SourcePartition
from sinks.rows import OFFSET_BITS, Progress, version_of

#: Stands for the journal offset in the version of what a repair wrote: above any that its epoch can have.
MENDED: Final = (1 << OFFSET_BITS) - 1


def epoch_of(version: int) -> int:
    """Return the epoch that wrote a row."""
    return version >> OFFSET_BITS


def mended(epoch: int) -> int:
    """Return the version of what a repair writes: it wins over the ended epoch, and loses against any later one."""
    return version_of(epoch, MENDED)


class Epochs:
    """Progress as it was read before the rows that are judged by it."""

    def __init__(self, progress: Sequence[Progress]) -> None:
        by_epoch = sorted(progress, key=lambda row: row.epoch)
        self._latest: dict[SourcePartition, Progress] = {(row.topic, row.partition): row for row in by_epoch}
        ended = (row.epoch for row in by_epoch if not self.runs((row.topic, row.partition), row.epoch))
        #: The last epoch that has ended in any partition; 0 where none has.
        self.last_ended = max(ended, default=0)

    def runs(self, source: SourcePartition, epoch: int) -> bool:
        """Tell whether an epoch may still write. One that no progress names has claimed nothing yet, and will."""
        latest = self._latest.get(source)
        return latest is None or epoch >= latest.epoch

    def event_in(self, source: SourcePartition, epoch: int, offset: int) -> bool:
        """Tell whether what came of an archived event is in, or will never come."""
        if not self.runs(source, epoch):
            return True
        latest = self._latest.get(source)
        # Which contacts are parked is not known here; while any is, none of that partition is called wrong.
        return latest is not None and epoch == latest.epoch and offset < latest.next and not latest.parked

    def row_in(self, source: SourcePartition, version: int) -> bool:
        """Tell whether a row belongs to a batch that is wholly in."""
        epoch, offset = epoch_of(version), version & MENDED
        if offset == MENDED or not self.runs(source, epoch):
            return True
        latest = self._latest.get(source)
        return latest is not None and epoch == latest.epoch and offset < latest.journal_end
