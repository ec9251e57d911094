"""What the last four weeks had at the same hours, by group: means that figures of today are compared with.

Steps in the middle of a time are added up once and kept, so that a minute costs only the steps at its ends. What is
not known is None: neither a time before anything was recorded nor one that was not read is taken for zero.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from streams.live.pane_sums import CENTRE, Group
from streams.seasonal.past import HOUR_MS, QUARTER_MS, Past, counts_at, same_times

_NO_COUNTS: Final[Mapping[int, int]] = MappingProxyType({})
#: A time of fewer whole steps is added up as one: each cut is rounded to a contact, which counts where there are few.
_LONG_STEPS: Final = 8
#: Sums that are kept; a day's worth for hundreds of queues.
_KEPT_AT_MOST: Final = 20_000


class Mean(NamedTuple):
    """The mean of some weeks; None where none is known."""

    value: float | None = None
    weeks: int = 0


UNKNOWN: Final = Mean()


class LastWeeks:
    """Answers from one reading of the past."""

    def __init__(self, past: Past | None, zone: ZoneInfo) -> None:
        """Without a past nothing is known."""
        self._past = past
        self._zone = zone
        self._of_channel: dict[str, list[tuple[str, str]]] = {}
        self._with_tag: dict[str, list[tuple[str, str]]] = {}
        for queue in () if past is None else past.arrivals:
            self._of_channel.setdefault(queue[0], []).append(queue)
        for channel, queue_name, tag in () if past is None else past.tags:
            self._with_tag.setdefault(tag, []).append((channel, queue_name))
        #: Of what is counted and a span of whole steps: the counts of the weeks.
        self._whole: dict[tuple[object, int, int], tuple[int, ...]] = {}
        self._means: dict[tuple[object, tuple[Group, ...], int, int], Mean] = {}

    def is_of(self, past: Past | None) -> bool:
        """Tell whether it answers from this reading."""
        return self._past is past

    def arrivals(self, groups: tuple[Group, ...], begin: int, end: int) -> Mean:
        """Give the mean of the offered contacts of groups together, at the hours from `begin` to before `end`."""
        past = self._past
        if past is None:
            return UNKNOWN
        if begin >= end:
            return Mean(0.0)  # there is no time for any
        key = None, groups, begin, end
        if key not in self._means:
            named = {queue for group in groups for queue in self._queues(group)}
            counts = ((("offered", queue), past.arrivals.get(queue, _NO_COUNTS)) for queue in named)
            self._keep(key, self._mean(counts, begin, end, QUARTER_MS))
        return self._means[key]

    def tag(self, groups: tuple[Group, ...], tag: str, begin: int, end: int) -> Mean:
        """Give the mean of the contacts with a tag."""
        past = self._past
        if past is None:
            return UNKNOWN
        key = tag, groups, begin, end
        if key not in self._means:
            queues = [queue for queue in self._with_tag.get(tag, ()) if any(_within(queue, of) for of in groups)]
            if not queues and past.left_out:
                return UNKNOWN  # it may be one of those that were too many
            counts = ((("tag", *queue, tag), past.tags[(*queue, tag)]) for queue in queues)
            self._keep(key, self._mean(counts, begin, end, HOUR_MS))
        return self._means[key]

    def _queues(self, group: Group) -> Iterable[tuple[str, str]]:
        channel, queue = group
        if group == CENTRE:
            return self._past.arrivals if self._past is not None else ()
        if channel is not None and queue is not None:
            return ((channel, queue),)
        return self._of_channel.get(channel or "", ())

    def _keep(self, key: tuple[object, tuple[Group, ...], int, int], mean: Mean) -> None:
        if len(self._means) >= _KEPT_AT_MOST:
            self._means.clear()
        if len(self._whole) >= _KEPT_AT_MOST:
            self._whole.clear()
        self._means[key] = mean

    def _mean(self, counts: Iterable[tuple[object, Mapping[int, int]]], begin: int, end: int, step_ms: int) -> Mean:
        """Add up what is counted in the weeks that are known, and divide by these."""
        past = self._past
        if past is None or end <= begin:
            return UNKNOWN
        first, last = -(-begin // step_ms) * step_ms, end // step_ms * step_ms
        is_long = last - first >= _LONG_STEPS * step_ms
        spans = [(begin, first), (first, last), (last, end)] if is_long else [(begin, end)]
        pieces = [(span, same_times(*span, self._zone)) for span in spans if span[0] < span[1]]
        weeks = min(len(counts_at(_NO_COUNTS, past.since, times, step_ms)) for _, times in pieces)
        if not weeks:
            return UNKNOWN
        total = 0
        for key, of in counts:
            for span, times in pieces:
                kept = (key, *span)
                found = self._whole.get(kept) if span == (first, last) else None
                if found is None:
                    found = counts_at(of, past.since, times, step_ms)
                    if span == (first, last):
                        self._whole[kept] = found
                total += sum(found[:weeks])
        return Mean(total / weeks, weeks)


def _within(queue: tuple[str, str], group: Group) -> bool:
    channel, name = group
    return channel in {None, queue[0]} and name in {None, queue[1]}
