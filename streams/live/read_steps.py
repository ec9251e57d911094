"""How far each journal was read, so that a step that comes again changes nothing."""

from typing import Literal

from schemas.journal import Head
from schemas.topics import SourcePartition
from streams.journal.step_assembly import Step


class ReadSteps:
    """The newest epoch and end of each source partition, and its head."""

    def __init__(self) -> None:
        self._read: dict[SourcePartition, tuple[int, int]] = {}
        self.heads: dict[SourcePartition, Head] = {}

    def accept(self, step: Step) -> Literal["known", "next", "restarted"]:
        """Note a step; say whether it is known, the next one, or the first of a journal that is read again."""
        partition = step.source, step.partition
        epoch, end = self._read.get(partition, (0, 0))
        if not step.restarted and (step.head.epoch < epoch or (step.head.epoch == epoch and step.end <= end)):
            return "known"
        # What the journal has comes again, also in a later epoch of the same journal.
        restarted = partition in self._read and step.restarted
        self._read[partition] = step.head.epoch, step.end
        self.heads[partition] = step.head
        return "restarted" if restarted else "next"
