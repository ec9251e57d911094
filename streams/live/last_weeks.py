"""What the last four weeks had at the same hours, by group: means that figures of today are compared with.

Steps in the middle of a time are added up once and kept, so that a minute costs only the steps at its ends. What is
not known is None: neither a time before anything was recorded nor one that was not read is taken for zero.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from streams.live.pane_sums import CENTRE, Group
from streams.seasonal.past import HOUR_MS, QUARTER_MS, Past, count, same_times

_NO_COUNTS: Final[Mapping[int, int]] = MappingProxyType({})
#: A time of fewer whole steps is added up as one: each cut is rounded to a contact, which counts where there are few.
_LONG_STEPS: Final = 8
#: Sums that are kept; a day's worth for hundreds of queues.
_KEPT_AT_MOST: Final = 20_000
_SPANS_AT_MOST: Final = 100


class Mean(NamedTuple):
    """The mean of some weeks; None where none is known."""

    value: float | None = None
    weeks: int = 0


UNKNOWN: Final = Mean()


class _Piece(NamedTuple):
    """A part of a time, as the same hours of the weeks before."""

    begin: int
    end: int
    #: Its steps are whole, and many.
    is_whole: bool
    times: list[tuple[int, int]]


class _Span(NamedTuple):
    """A time in parts, and as the same hours of the weeks before."""

    pieces: tuple[_Piece, ...]
    times: list[tuple[int, int]]


class LastWeeks:
    """Answers from one reading of the past."""

    def __init__(self, past: Past | None, zone: ZoneInfo) -> None:
        """Without a past nothing is known."""
        self._past = past
        self._zone = zone
        self._of_channel: dict[str, list[tuple[str, str]]] = {}
        #: By channel, and under None of all of them.
        self._with_tag: dict[tuple[str | None, str], list[tuple[str, str]]] = {}
        for queue in () if past is None else past.arrivals:
            self._of_channel.setdefault(queue[0], []).append(queue)
        for channel, queue_name, tag in () if past is None else past.tags:
            for of in (channel, None):
                self._with_tag.setdefault((of, tag), []).append((channel, queue_name))
        #: The counts of the weeks, by what is counted and a piece of time: of whole steps, which stay for long, and of
        #: the edges, which a minute changes.
        self._whole: dict[tuple[object, int, int], tuple[int, ...]] = {}
        self._edges: dict[tuple[object, int, int], tuple[int, ...]] = {}
        self._means: dict[tuple[object, tuple[Group, ...], int, int], Mean] = {}
        self._spans: dict[tuple[int, int, int], _Span] = {}

    def is_of(self, past: Past | None) -> bool:
        """Tell whether it answers from this reading."""
        return self._past is past

    @property
    def channels(self) -> Collection[str]:
        """The channels that had contacts."""
        return self._of_channel.keys()

    def arrivals(self, groups: tuple[Group, ...], begin: int, end: int) -> Mean:
        """Give the mean of the offered contacts of groups together, at the hours from `begin` to before `end`."""
        past = self._past
        if past is None:
            return UNKNOWN
        if begin >= end:
            return Mean(0.0)  # there is no time for any
        key = None, groups, begin, end
        if key not in self._means:
            named = dict(each for group in groups for each in self._arrivals(past, group))
            if None in named.values():
                return UNKNOWN  # it may be one of those that were too many
            counts = ((("offered", place), of) for place, of in named.items() if of is not None)
            self._keep(key, self._mean(counts, self._since(past, groups), begin, end, QUARTER_MS))
        return self._means[key]

    def tag(self, groups: tuple[Group, ...], tag: str, begin: int, end: int) -> Mean:
        """Give the mean of the contacts with a tag."""
        past = self._past
        if past is None:
            return UNKNOWN
        key = tag, groups, begin, end
        if key not in self._means:
            if past.left_out and (None, tag) not in self._with_tag:
                return UNKNOWN  # it may be one of those that were too many
            queues = [queue for group in groups for queue in self._tagged(past, group, tag)]
            counts = ((("tag", *queue, tag), past.tags[(*queue, tag)]) for queue in queues)
            self._keep(key, self._mean(counts, self._since(past, groups), begin, end, HOUR_MS))
        return self._means[key]

    def _since(self, past: Past, groups: Iterable[Group]) -> int:
        """Give from when on all channels of groups are known; of several queues those that had contacts count."""
        had = [group for group in groups if group[1] is None or group in past.arrivals] or groups
        channels = {channel for group in had for channel in (self._of_channel if group == CENTRE else group[:1])}
        return past.known_since(channel for channel in channels if channel is not None)

    def _arrivals(self, past: Past, group: Group) -> Iterator[tuple[Group, Mapping[int, int] | None]]:
        """Give the counts that a group is made of; None: they were not kept."""
        channel, queue = group
        if channel is not None and queue is not None:
            yield group, past.arrivals.get((channel, queue), None if channel in past.of_channel else _NO_COUNTS)
            return
        for each in self._of_channel if channel is None else (channel,):
            if each in past.of_channel:
                yield (each, None), past.of_channel[each]
            else:
                yield from ((place, past.arrivals[place]) for place in self._of_channel.get(each, ()))

    def _tagged(self, past: Past, group: Group, tag: str) -> Iterable[tuple[str, str]]:
        channel, queue = group
        if channel is not None and queue is not None:
            return ((channel, queue),) if (channel, queue, tag) in past.tags else ()
        return self._with_tag.get((channel, tag), ())

    def _keep(self, key: tuple[object, tuple[Group, ...], int, int], mean: Mean) -> None:
        for kept in (self._means, self._whole, self._edges):
            if len(kept) >= _KEPT_AT_MOST:
                kept.clear()
        self._means[key] = mean

    def _mean(
        self, counts: Iterable[tuple[object, Mapping[int, int]]], since: int, begin: int, end: int, step_ms: int
    ) -> Mean:
        """Add up what is counted in the weeks that are known, and divide by these."""
        if end <= begin:
            return UNKNOWN
        pieces, times = self._span(begin, end, step_ms)
        weeks = [week for week, (first, last) in enumerate(times) if since <= first < last]
        if not weeks:
            return UNKNOWN
        total = 0
        for key, of in counts:
            for piece in pieces:
                kept = self._whole if piece.is_whole else self._edges
                found = kept.get((key, piece.begin, piece.end))
                if found is None:
                    found = tuple([count(of, first, last, step_ms) for first, last in piece.times])
                    kept[key, piece.begin, piece.end] = found
                total += sum([found[week] for week in weeks])
        return Mean(total / len(weeks), len(weeks))

    def _span(self, begin: int, end: int, step_ms: int) -> _Span:
        """Divide a time, once for all queues: the clocks of the weeks before are looked up for it."""
        key = begin, end, step_ms
        if key not in self._spans:
            if len(self._spans) >= _SPANS_AT_MOST:
                self._spans.clear()
            first, last = -(-begin // step_ms) * step_ms, end // step_ms * step_ms
            is_long = last - first >= _LONG_STEPS * step_ms
            parts = [(begin, first), (first, last), (last, end)] if is_long else [(begin, end)]
            pieces = tuple(
                _Piece(*part, is_long and part == (first, last), same_times(*part, self._zone))
                for part in parts
                if part[0] < part[1]
            )
            self._spans[key] = _Span(pieces, same_times(begin, end, self._zone))
        return self._spans[key]
