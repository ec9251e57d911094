"""Going round: which contacts to look at next for their age, and how many of the last records were bad. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

#: Records that a share of bad ones is taken of, and how many there must be for one.
RECENT: Final = 1_000
ENOUGH: Final = 200


class BadRunError(Exception):
    """So many of the last records are bad that the topic is not what it should be: the worker must stop."""


class Round:
    """A walk over all contacts, in parts."""

    def __init__(self) -> None:
        #: The partition's clock when the last round began, UTC milliseconds.
        self.clock = 0
        self._left: Iterator[bytes] | None = None

    @property
    def under_way(self) -> bool:
        """Whether some are not looked at yet."""
        return self._left is not None

    def begin(self, clock: int, contacts: Iterable[bytes]) -> None:
        """Begin a round over the contacts of now."""
        self.clock = clock
        self._left = iter(list(contacts))

    def next(self, at_most: int) -> list[bytes]:
        """Give the next ones; the last call of a round may give fewer."""
        found = list(islice(self._left, at_most)) if self._left is not None else []
        if len(found) < at_most:
            self._left = None
        return found


class Run:
    """Counts bad records among the last thousand."""

    def __init__(self) -> None:
        self._counts: deque[tuple[int, int]] = deque()
        self._records = 0
        self._bad = 0

    def take(self, records: int, bad: int, share: float, last: str) -> None:
        """Count a step's records. Raises BadRunError where more than `share` of enough of them are bad."""
        self._counts.append((records, bad))
        self._records += records
        self._bad += bad
        while self._records - self._counts[0][0] >= RECENT:
            gone, gone_bad = self._counts.popleft()
            self._records -= gone
            self._bad -= gone_bad
        if self._records >= ENOUGH and self._bad > share * self._records:
            raise BadRunError(
                f"{self._bad} of the last {self._records} records are bad ({last}): mend what produces them, or raise"
                " bad_record_share in centre.toml (1 lets all pass to the dead letters), and start the worker again"
            )
