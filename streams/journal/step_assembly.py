"""Assembles the records of one journal partition to whole steps. Pure.

A record counts only once the head after it was read. A recreated journal is noticed by its heads, which name the
topic's id, and must be read from its beginning. A step of the new journal must never be taken as the next step of
the old one.
"""

from typing import NamedTuple

from schemas.journal import HEAD_KEY, OPEN_KEY, Head, decode_head

#: (journal offset, key, value).
StoredRecord = tuple[int, bytes, bytes | None]


class Step(NamedTuple):
    """What one step changed, in the order it was written."""

    #: The source topic; the journal is `journal_of(source)`.
    source: str
    partition: int
    head: Head
    #: Journal offset behind the head: where to continue.
    end: int
    #: Heads and openings left out.
    records: list[StoredRecord]
    #: The first step after reading (re)started at the journal's beginning: discard what is known of this partition.
    restarted: bool = False


class RecreatedError(Exception):
    """A head that does not follow the step before: the journal was recreated. Its reader calls `restart`."""


class StepAssembly:
    """One journal partition, read in order from its beginning, or, after `resume`, from a position."""

    def __init__(self, source: str, partition: int) -> None:
        self._source = source
        self._partition = partition
        self.restart()

    def restart(self, journal: str = "", *, certain: bool = False) -> None:
        """Forget all: from now on the journal is read from its beginning.

        `journal` is the id of the journal's topic, as far as the cluster described it: a topic may be deleted while a
        step is read. Where the id is `certain`, a step that names another journal is skipped: a worker wrote it before
        it noticed that the journal was recreated.
        """
        self._journal = journal
        self._id_is_certain = certain and bool(journal)
        self.last_head: Head | None = None
        #: Offset behind the last step, where there is one.
        self.end = 0
        self._restarted = True
        self._records: list[StoredRecord] = []

    def resume(self, end: int, last_head: Head | None, journal: str = "") -> None:
        """Continue behind a step that was applied before; `last_head` is its head, where the reader kept it."""
        self.restart(journal)
        self.last_head, self.end = last_head, end
        self._restarted = False

    def feed(self, offset: int, key: bytes, value: bytes | None) -> Step | None:
        """Take the next record; returns the step that it completes. Raises RecreatedError and JournalVersionError."""
        if key == OPEN_KEY:
            return None
        if key != HEAD_KEY:
            self._records.append((offset, key, value))
            return None
        if value is None:
            return None
        head = decode_head(value)
        if self._id_is_certain and head.journal not in {"", self._journal}:
            self._records = []
            return None
        if not _follows(head, self.last_head, self._journal):
            raise RecreatedError
        records, self._records = self._records, []
        restarted, self._restarted = self._restarted, False
        self.last_head, self.end = head, offset + 1
        return Step(self._source, self._partition, head, offset + 1, records, restarted)


def _follows(head: Head, last_head: Head | None, journal: str) -> bool:
    """Tell whether a step comes after another in one journal; some may be missing, for compaction removes heads.

    A reader that kept only step, epoch and opening does not know the journal's id. It follows within an epoch: a
    recreated journal begins with a later one.
    """
    if journal and head.journal not in {"", journal}:
        return False
    if last_head is None:
        return True
    if head.step <= last_head.step:
        return False
    if last_head.journal:
        return head.journal == last_head.journal
    return head.epoch == last_head.epoch and head.open >= last_head.open
