"""Arrivals of the last four weeks, and what there was of them at the same local hours.

Pure: it knows no clock and no ClickHouse. A time that is not known is never taken for a time without contacts.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from streams.times import at, milliseconds

QUARTER_MS: Final = 900_000
HOUR_MS: Final = 3_600_000
#: The same hours of so many weeks are compared.
WEEKS: Final = 4


class Steps(Mapping[int, int]):
    """Counts by the time at which their quarter hour or hour begins, four bytes each: thousands of them are kept.

    One that counts nothing is not in it.
    """

    __slots__ = ("_begin", "_counts", "_step_ms")

    def __init__(self, begin: int, step_ms: int, counts: Iterable[int]) -> None:
        """Take the counts of steps that follow one another, the first of which begins at `begin`, UTC milliseconds."""
        self._begin = begin
        self._step_ms = step_ms
        self._counts = array("I", counts)

    def __getitem__(self, start: int) -> int:
        place, rest = divmod(start - self._begin, self._step_ms)
        if rest or not 0 <= place < len(self._counts) or not self._counts[place]:
            raise KeyError(start)
        return self._counts[place]

    def __iter__(self) -> Iterator[int]:
        return (self._begin + place * self._step_ms for place, count in enumerate(self._counts) if count)

    def __len__(self) -> int:
        return sum(map(bool, self._counts))


class Past(NamedTuple):
    """Arrivals of the last four weeks, by quarter hours and hours that begin at UTC milliseconds."""

    read_at: int
    #: The first time that is known: earlier counts nothing, not zero.
    since: int
    #: By channel and queue: offered contacts of each quarter hour.
    arrivals: Mapping[tuple[str, str], Mapping[int, int]]
    #: The same of queue entries.
    entered: Mapping[tuple[str, str], Mapping[int, int]]
    #: By channel, queue and tag: contacts of each hour.
    tags: Mapping[tuple[str, str, str], Mapping[int, int]]
    #: Tags of queues that were too many to be kept, those with the fewest contacts: of a tag that is in `tags` for no
    #: queue nothing is known then; of any other everything is.
    left_out: int = 0
    #: By channel: the first time that is known of it, where that is later.
    channels: Mapping[str, int] = MappingProxyType({})
    #: Offered contacts of all queues of each channel that has more queues than are kept.
    of_channel: Mapping[str, Mapping[int, int]] = MappingProxyType({})

    def known_since(self, channels: Iterable[str]) -> int:
        """Give the first time from which on all of these channels are known, UTC milliseconds."""
        return max((self.since, *(self.channels.get(channel, self.since) for channel in channels)))


def same_hours(
    counts: Mapping[int, int], since: int, start: int, end: int, zone: ZoneInfo, *, step_ms: int = QUARTER_MS
) -> tuple[int, ...]:
    """Count the same local hours one, two, three and four weeks before [start, end): the newest week first.

    Times are UTC milliseconds. `counts` has steps of `step_ms`: quarter hours, of tags hours. Of a step that lies
    partly in the hours its part counts, as if contacts came evenly; a week's count is rounded to a whole number.

    Left out are weeks in which the hours begin before `since`, and those in which the clocks skipped all of them. Where
    clocks were put back, hours that lie within the hour that came twice count once; hours around it count all of it.
    """
    return counts_at(counts, since, same_times(start, end, zone), step_ms)


def counts_at(
    counts: Mapping[int, int], since: int, times: Iterable[tuple[int, int]], step_ms: int = QUARTER_MS
) -> tuple[int, ...]:
    """Count at times that `same_times` gave, which are the same for many queues; the rest is as for `same_hours`."""
    return tuple(count(counts, begin, end, step_ms) for begin, end in times if begin >= since and begin < end)


def same_times(start: int, end: int, zone: ZoneInfo) -> list[tuple[int, int]]:
    """Give when the wall clock of a zone showed the same hours, one to four weeks before [start, end).

    In UTC milliseconds; of hours that the clocks skipped both are the same time.
    """
    first, last = _wall_clock(start, zone), _wall_clock(end, zone)
    if last <= first:  # the clocks are put back within these hours
        first = last - timedelta(milliseconds=end - start)
    before = [timedelta(weeks=week) for week in range(1, WEEKS + 1)]
    return [_between(first - weeks, last - weeks, zone) for weeks in before]


def _wall_clock(at_ms: int, zone: ZoneInfo) -> datetime:
    return at(at_ms).astimezone(zone).replace(tzinfo=None, fold=0)


def _between(first: datetime, last: datetime, zone: ZoneInfo) -> tuple[int, int]:
    """Give when a wall clock showed a time and a later one, in UTC milliseconds."""
    begins, ends = _shown(first, zone), _shown(last, zone)
    # An hour that came twice: the second one where only the beginning lies in it, so that what follows is as long.
    of_both = len(begins) == len(ends)
    return (begins[0] if of_both else begins[-1]), ends[0]


def _shown(wall: datetime, zone: ZoneInfo) -> tuple[int, ...]:
    """Give when a wall clock showed a time: twice where it was put back, and at the skip where that left it out."""
    found = []
    for fold in (0, 1):
        local = wall.replace(tzinfo=zone, fold=fold)
        found.append(milliseconds(local.astimezone(UTC)))
    before, after = found
    if before <= after:
        return (before,) if before == after else (before, after)
    return (_skip(after, before, zone),)


def _skip(early: int, late: int, zone: ZoneInfo) -> int:
    """Find when the offset of a zone changed between two times, in UTC milliseconds."""
    offset = at(early).astimezone(zone).utcoffset()
    while late - early > 1:
        middle = (early + late) // 2
        if at(middle).astimezone(zone).utcoffset() == offset:
            early = middle
        else:
            late = middle
    return late


def count(counts: Mapping[int, int], begin: int, end: int, step_ms: int) -> int:
    """Add the counts of steps in a time up, of those at the ends their part; of a time that ends before it begins 0."""
    weighted = 0
    for start in range(begin - begin % step_ms, end, step_ms):
        if found := counts.get(start, 0):
            weighted += found * (min(end, start + step_ms) - max(begin, start))
    return (2 * weighted + step_ms) // (2 * step_ms)
