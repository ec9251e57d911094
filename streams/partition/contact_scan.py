"""Goes through all contacts of a partition in parts, between batches: for eviction, and when rules change. Pure."""

from collections.abc import Iterable, Iterator
from itertools import islice


class ContactScan:
    """Goes through all contacts, in parts."""

    def __init__(self) -> None:
        #: The partition's clock when the last scan began, UTC milliseconds.
        self.clock = 0
        self._remaining: Iterator[bytes] | None = None

    @property
    def under_way(self) -> bool:
        """Whether some are not scanned yet."""
        return self._remaining is not None

    def begin(self, clock: int, contacts: Iterable[bytes]) -> None:
        """Begin a scan of these contacts."""
        self.clock = clock
        self._remaining = iter(list(contacts))

    def next(self, at_most: int) -> list[bytes]:
        """Return the next ones; the last call of a scan may return fewer."""
        found = list(islice(self._remaining, at_most)) if self._remaining is not None else []
        if len(found) < at_most:
            self._remaining = None
        return found
