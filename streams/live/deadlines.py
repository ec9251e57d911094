"""What falls due, by time, of owners that come and go, such as contacts: a second costs only what falls due in it.

An owner that has left is not sought in the heap. Its entries are void and are skipped when they surface. The heap is
rebuilt when there are more void entries than live ones.
"""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Final, Generic, Protocol, TypeVar

#: A heap is rebuilt when void entries outnumber the live ones by more than this.
REBUILD_SLACK: Final = 64


class Owner(Protocol):
    """Whose entries they are."""

    #: Whether it has not left.
    live: bool
    #: Its entries in the heap; 0 at first, and kept here.
    entries: int


Of = TypeVar("Of", bound=Owner)
Due = TypeVar("Due")


class Deadlines(Generic[Of, Due]):
    """Entries of an owner and what falls due, by time; of one time in the order in which they were added."""

    def __init__(self) -> None:
        self._serial = 0
        self._heap: list[tuple[int, int, Of, Due]] = []
        self._void = 0

    def __len__(self) -> int:
        """Count the entries, void ones included."""
        return len(self._heap)

    def add(self, at: int, owner: Of, what: Due) -> None:
        """Have something of an owner that lives fall due at a time."""
        self._serial += 1
        owner.entries += 1
        heappush(self._heap, (at, self._serial, owner, what))

    def left(self, owner: Of) -> None:
        """Note that an owner does not live any more."""
        self._void += owner.entries

    def passed(self, now: int) -> Iterator[tuple[Of, Due]]:
        """Take what is due at a time, in order. An owner may leave meanwhile; the rest of its entries are void then."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            _, _, owner, what = heappop(heap)
            owner.entries -= 1
            if owner.live:
                yield owner, what
            else:
                self._void -= 1
        if 2 * self._void > len(heap) + REBUILD_SLACK:
            self._heap = [entry for entry in heap if entry[2].live]
            heapify(self._heap)
            self._void = 0
