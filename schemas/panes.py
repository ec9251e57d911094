"""The panes: counters and histograms of one minute and one set of dimensions, mergeable by adding.

A reader adds panes over source partitions, epochs and time; nothing is averaged.
"""

from typing import Final, NamedTuple

#: Length of a pane.
PANE_MS: Final = 60_000


class PaneKey(NamedTuple):
    """What a pane counts. `start` is in UTC milliseconds; the channel stands with the topic."""

    epoch: int
    start: int
    queue: str
    priority: str
    team: str
    segment: str
    sample: str


class TagPaneKey(NamedTuple):
    """What a tag's pane counts."""

    epoch: int
    start: int
    queue: str
    tag: str


class Pane(NamedTuple):
    """A pane's value. Histograms are sparse: bucket (see `streams.core.histogram`) to count."""

    #: Samples in all.
    n: int = 0
    #: Samples held against a target; partial contacts never are.
    n_target: int = 0
    #: Of those, the ones within the target.
    n_within: int = 0
    #: Of those, the short ones (abandonments below the threshold).
    n_short: int = 0
    n_satisfied: int = 0
    sum_ms: int = 0
    business_n: int = 0
    business_sum_ms: int = 0
    #: Sum of `value`: millionths for scores, the count itself for `nudges` and `replies`.
    sum_value: int = 0
    hist: dict[int, int] = {}  # noqa: RUF012 - never changed in place: a pane is replaced as a whole
    business_hist: dict[int, int] = {}  # noqa: RUF012 - as hist


class TagPane(NamedTuple):
    """A tag's count in a pane, and whether the taxonomy knows the tag."""

    n: int
    known: bool
