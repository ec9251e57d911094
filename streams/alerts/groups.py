"""The counts of one policy in one queue, and their sums over the windows that it is judged over."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from schemas.alert_rules import BurnRate
from schemas.calendars import Calendar
from schemas.policies import Policy
from streams.alerts.open_time import Span

#: What is counted: the policy, and where the contact was, the channel and the queue. Of a policy that is judged in all
#: queues of a channel together the queue is `ALL_QUEUES`.
Counted = tuple[str, str, str]
#: No queue has this name.
ALL_QUEUES: Final = ""


class Window:
    """One length of open time of one calendar, and the panes that it holds now."""

    def __init__(self, calendar: Calendar | None, length_ms: int) -> None:
        self.calendar = calendar
        self.length_ms = length_ms
        self.span = Span(0, 0, 0)


class Windows(NamedTuple):
    """The windows that policies with the same calendar and lengths are judged over."""

    windows: tuple[Window, ...] = ()
    #: The place of each length among them.
    places: Mapping[int, int] = MappingProxyType({})


class Group:
    """The counts of one policy in one queue."""

    __slots__ = ("burn_rates", "counted", "halves", "least_volume", "minutes", "policy", "sums", "windows")

    def __init__(self, counted: Counted) -> None:
        self.counted = counted
        #: Judged and bad by minute, and by half hour where these are judged.
        self.minutes: dict[int, tuple[int, int]] = {}
        self.halves: dict[int, tuple[int, int]] = {}
        #: None: the policy is not in force now.
        self.policy: Policy | None = None
        #: The burn rates that the policy is judged by, besides its attainment.
        self.burn_rates: tuple[BurnRate, ...] = ()
        self.windows = Windows()
        #: With fewer contacts than this in a window, nothing of the policy is judged over it.
        self.least_volume = 0
        #: Judged and bad of each window in turn, the longest last: it holds all the others.
        self.sums: list[int] = []

    def is_empty(self) -> bool:
        """Tell whether nothing is counted: it never was, or all of it was retracted."""
        return not any(judged for judged, _ in self.minutes.values())

    def cannot_slip(self) -> bool:
        """Tell whether over every window nobody is bad, or too few are judged to tell."""
        return not self.sums or not self.sums[-1] or self.sums[-2] < self.least_volume

    def sum_over(self, length_ms: int) -> tuple[int, int]:
        """Give judged and bad over the window of a length."""
        place = 2 * self.windows.places[length_ms]
        return self.sums[place], self.sums[place + 1]

    def span(self, length_ms: int) -> Span:
        """Give the window of a length as it is now."""
        return self.windows.windows[self.windows.places[length_ms]].span

    def add(self, start: int, judged: int, bad: int) -> None:
        """Add to the windows that hold a minute."""
        for place, window in enumerate(self.windows.windows):
            if window.span.begin <= start < window.span.end:
                self.add_at(place, judged, bad)

    def add_at(self, place: int, judged: int, bad: int) -> None:
        """Add to one window."""
        self.sums[2 * place] += judged
        self.sums[2 * place + 1] += bad
