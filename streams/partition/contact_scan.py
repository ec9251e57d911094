"""A walk over all contacts of a partition in parts, between batches: for eviction, and when rules change. Pure."""

from collections.abc import Iterable, Iterator
from itertools import islice


class ContactScan:
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
