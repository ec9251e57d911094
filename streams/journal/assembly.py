"""From one journal partition's records to whole steps: the rules of what has happened, without a broker.

A record counts only with the head behind it. What a worker wrote that had lost the partition is dropped: its head names
an older opening, or, where nothing is ever compacted, one that this journal does not have. A journal that was made anew
behind our back is noticed by its heads, and must be read from its beginning; nothing here may take a step of a new
journal for the next one of the old.
"""

from __future__ import annotations

from typing import NamedTuple

from schemas.journal import HEAD_KEY, OPEN_KEY, Head, decode_head

#: (journal offset, key, value).
Record = tuple[int, bytes, bytes | None]


class Step(NamedTuple):
    """What one step changed, in the order it was written."""

    #: The source topic; the journal is `journal_of(source)`.
    source: str
    partition: int
    head: Head
    #: Journal offset behind the head: where to go on.
    end: int
    #: Heads and openings left out.
    records: list[Record]
    #: The first step since the journal is read from its beginning: what is known of this partition's steps is void.
    anew: bool = False


class SuspectError(Exception):
    """A head that what was read before does not lead to: the journal may have been made anew.

    Its reader looks whether the last step is still where it was, and calls `restart` or `believe`.
    """


class Assembly:
    """One journal partition, read in order from its beginning, or, after `resume`, from a position.

    `whole`: nothing is ever compacted away, so that a step's opening stands before it. A step under way while a broker
    without transactions was made anew can be the first record of the new journal.
    """

    def __init__(self, source: str, partition: int, *, whole: bool = False) -> None:
        self._source = source
        self._partition = partition
        self._whole = whole
        self._suspect = (-1, -1, -1)
        self.restart()

    def restart(self) -> None:
        """Forget all: the journal is read from its beginning from here on."""
        self.known: Head | None = None
        #: Offset behind the last step, where there is one.
        self.end = 0
        self._anew = True
        self._opened = -1
        #: Whether the newest opening before what is read next is known, or known not to be.
        self._sees_openings = self._whole
        self._records: list[Record] = []
        #: Suspects since the last step that were looked into: several may follow each other, and all are read again.
        self._believed: set[tuple[int, int, int]] = set()

    def resume(self, end: int, known: Head | None) -> None:
        """Go on behind a step that was applied before; `known` is its head, where the reader kept it."""
        self.restart()
        self.known, self.end = known, end
        self._anew = False
        if known is not None:
            self._opened = known.open
        else:
            self._sees_openings = False

    def believe(self) -> None:
        """Take the suspect head for one of this journal; it is read again, from `end` on."""
        self._believed.add(self._suspect)
        self.drop()

    def drop(self) -> None:
        """Forget what stands behind the last step: it is read again, from `end` on."""
        self._records = []

    def feed(self, offset: int, key: bytes, value: bytes | None) -> Step | None:
        """Take the next record; returns the step that it completes.

        Raises SuspectError, and JournalVersionError where a newer Pulssi wrote the journal.
        """
        if key == OPEN_KEY:
            self._opened, self._sees_openings = offset, self._whole
            return None
        if key != HEAD_KEY:
            self._records.append((offset, key, value))
            return None
        if value is None:
            return None
        head = decode_head(value)
        self._check(offset, head)
        records, self._records = self._records, []
        if head.open < self._opened or (self._sees_openings and head.open > self._opened):
            return None
        anew, self._anew = self._anew, False
        self.known, self.end, self._opened = head, offset + 1, head.open
        self._believed.clear()
        return Step(self._source, self._partition, head, offset + 1, records, anew)

    def _check(self, offset: int, head: Head) -> None:
        """Compare with the step before: the same worker goes on with a later step, or another one opened since.

        Steps may be missing, for compaction takes heads away.
        """
        known = self.known
        if known is None:
            return
        same_opening = head.open == known.open and head.epoch == known.epoch
        self._suspect = (offset, head.step, head.epoch)
        if (head.step > known.step and (same_opening or head.open >= self.end)) or self._suspect in self._believed:
            return
        raise SuspectError
