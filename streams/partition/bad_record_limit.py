"""Stops a worker where too many of a partition's last records are bad: the topic is probably a wrong one. Pure."""

from collections import deque
from typing import Final

#: The share of bad records is that among so many last ones, and is not judged before there are `ENOUGH`.
RECENT: Final = 1_000
ENOUGH: Final = 200


class BadRecordLimitError(Exception):
    """So many of the last records are bad that the topic is not what it should be: the worker must stop."""


class BadRecordLimit:
    """Counts bad records among the last thousand."""

    def __init__(self) -> None:
        self._counts: deque[tuple[int, int]] = deque()
        self._records = 0
        self._bad = 0
        self._last = ""

    def count(self, records: int, bad: int, share: float, last: str) -> None:
        """Count a step's records; `last` says where its last bad one was and what was wrong, empty where none was.

        Raises BadRecordLimitError where more than `share` of enough of them are bad.
        """
        self._last = last or self._last
        self._counts.append((records, bad))
        self._records += records
        self._bad += bad
        while self._records - self._counts[0][0] >= RECENT:
            old_records, old_bad = self._counts.popleft()
            self._records -= old_records
            self._bad -= old_bad
        if self._records >= ENOUGH and self._bad > share * self._records:
            raise BadRecordLimitError(
                f"{self._last}, {self._bad} of the last {self._records} records are bad: correct what produces them, or"
                " raise bad_record_share in centre.toml (1 sends all of them to the dead letters), and start the worker"
                " again"
            )
