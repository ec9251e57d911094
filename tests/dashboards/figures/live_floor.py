"""Checks of the *Live floor*, but for what is now."""

from collections import Counter
from collections.abc import Mapping

from schemas.policies import DEFAULT_POLICIES
from tests.dashboards.figures.arithmetic import (
    about,
    at,
    counts,
    groups,
    hour,
    largest,
    level,
    line,
    mean,
    only,
    percentile,
    place,
    seconds,
    share,
    worst_first,
)
from tests.dashboards.figures.held import Asked, held
from tests.dashboards.grafana_macros import CHANNELS, Range
from tests.oracle.contacts import milliseconds as ms

OUTCOMES = ("offered", "first_response", "abandoned")
#: In how many seconds each channel's waits are drawn.
_DRAWN_IN_S = {"call": 1, "chat": 1, "email": 3600}
COUNTS = {"Offered": "offered", "Answered": "first_response", "Abandoned": "abandoned"}


@held("days", "Live floor / Offered", "Channels and queues / Offered")
def offered(panel: Asked) -> None:
    """One number a channel; 0 where there was nothing, in an empty range too."""
    _count(panel, "offered")


@held("days", "Live floor / Answered", "Channels and queues / Answered")
def answered(panel: Asked) -> None:
    """As above."""
    _count(panel, "first_response")


@held("days", "Live floor / Abandoned")
def abandoned(panel: Asked) -> None:
    """As above; e-mails, which nobody abandons, have a 0."""
    _count(panel, "abandoned")


def _count(panel: Asked, sample: str) -> None:
    found = counts(panel.days.told, sample, lambda row: row.channel)
    assert {row["channel"]: row["contacts"] for row in panel()} == {channel: found[channel] for channel in CHANNELS}
    nothing = panel(Range(0, 60))
    assert {row["channel"]: row["contacts"] for row in nothing} == dict.fromkeys(CHANNELS, 0)


@held("days", "Live floor / Service level", "Channels and queues / Service level")
def levels(panel: Asked) -> None:
    """By channel."""
    of = groups(only(panel.days.told, *OUTCOMES), lambda row: row.channel)
    assert {row["channel"]: row["level"] for row in panel()} == {name: about(level(rows)) for name, rows in of.items()}


@held("days", "Live floor / First response p80")
def response(panel: Asked) -> None:
    """By channel."""
    _percentile(panel, "first_response", 0.8)


@held("days", "Live floor / Handle time p50", "Handle time / Handle time p50")
def handle_half(panel: Asked) -> None:
    """By channel."""
    _percentile(panel, "handle", 0.5)


@held("days", "Handle time / Handle time p90")
def handle_most(panel: Asked) -> None:
    """By channel."""
    _percentile(panel, "handle", 0.9)


def _percentile(panel: Asked, sample: str, q: float) -> None:
    of = groups(only(panel.days.told, "offered", sample), lambda row: row.channel)
    assert {row["channel"]: row["seconds"] for row in panel()} == {
        name: percentile(seconds(rows, sample), q) for name, rows in of.items()
    }


@held("days", "Live floor / Objectives now, the worst first", "SLA / Objectives now, the worst first")
def objectives(panel: Asked) -> None:
    """What was judged, missed ones before those that are met, by how far they are below."""
    rows = panel()
    assert [(row["state"], row["queue"]) for row in rows] == [("missed", "a")] * 3 + [("met", "b")] * 3
    assert rows[0]["policy"] == "email-24h"
    objective = {policy.name: policy.objective for policy in DEFAULT_POLICIES}
    for row in rows:
        reached = {"a": 0.5, "b": 0.9}[row["queue"]]
        assert (row["Level"], row["Objective"], row["Contacts"]) == (reached, objective[row["policy"]], 20)
        assert row["Difference"] == about(reached - row["Objective"])
        assert row["Burn rate"] == about((1 - reached) / (1 - row["Objective"]))
        assert row["window"] == "1h"  # the policy's, and none of a burn rate


@held(
    "days",
    "Live floor / In the range, by queue, the worst first",
    "Channels and queues / In the range, by queue, the worst first",
)
def by_queue(panel: Asked) -> None:
    """Volumes, abandonments and levels; the objective is that of its policy; the worst comes first."""
    rows, told = panel(), panel.days.told
    objective = {policy.channel: policy.objective for policy in DEFAULT_POLICIES}
    of = groups(only(told, *OUTCOMES), place)
    assert {(row["channel"], row["queue"]) for row in rows} == set(of)
    for row in rows:
        mine = of[row["channel"], row["queue"]]
        assert {name: row[name] for name in COUNTS} == {name: len(only(mine, one)) for name, one in COUNTS.items()}
        gone, reached = row["Abandoned"], level(mine)
        assert row["Abandon rate"] == share(gone, row["Answered"] + gone)
        assert row["Service level"] == about(reached)
        assert row["Objective"] == objective[row["channel"]]
        assert row["Difference"] == about(None if reached is None else reached - row["Objective"])
    assert worst_first([row["Difference"] for row in rows])
    assert len(rows) > 5


@held("weeks", "Live floor / Against yesterday and last week")
def compared(panel: Asked) -> None:
    """By the wall clock: a Monday; the Sunday before, on which clocks went forward; the Monday before that."""
    columns = {
        "": ("2026-03-29T21:00Z", "2026-03-30T21:00Z"),
        " a day before": ("2026-03-28T22:00Z", "2026-03-29T21:00Z"),
        " a week before": ("2026-03-22T22:00Z", "2026-03-23T22:00Z"),
    }
    spans = {name: (ms(begin), ms(end)) for name, (begin, end) in columns.items()}
    rows = panel(Range(spans[""][0] // 1_000, spans[""][1] // 1_000 - 1))
    assert {row["channel"] for row in rows} == {"call", "chat", "email"}
    for row in rows:
        for name, (begin, end) in spans.items():
            mine = [one for one in panel.days.told if one.channel == row["channel"] and begin <= one.at < end]
            offered_then = row[f"A{name[2:]}" if name else "Offered"]
            assert (offered_then, row[f"Level{name}"]) == (len(only(mine, "offered")), about(level(mine))), name


@held("days", "Live floor / Offered, answered, abandoned")
def volumes(panel: Asked) -> None:
    """A row for each hour, zeros where nothing happened; `until` is after the last contact, and in the same hour."""
    of = groups(only(panel.days.told, *OUTCOMES), hour)
    rows = {at(row["time"]): row for row in panel()}
    over = panel.days.over
    assert set(rows) == set(range(over.start * 1_000, over.end * 1_000 + 1, 3_600_000))
    for begin, row in rows.items():
        mine = of.get(begin, [])
        assert [row[name] for name in COUNTS] == [len(only(mine, one)) for one in COUNTS.values()]
        assert max((one.at for one in mine), default=begin) <= row["until"] < begin + 3_600_000
    nothing = panel(Range(0, 7_200, 3_600))
    assert [[row[name] for name in COUNTS] for row in nothing] == [[0, 0, 0]] * 3


@held("days", "Live floor / Offered, by channel or queue")
def offered_by_line(panel: Asked) -> None:
    """The eight queues with most, and all of each."""
    _by_line(panel, "offered", "offered")


@held("days", "Channels and queues / Entered, by channel or queue")
def entered_by_line(panel: Asked) -> None:
    """As above, of visits."""
    _by_line(panel, "entered", "entered")


def _by_line(panel: Asked, sample: str, column: str) -> None:
    rows = only(panel.days.told, sample)
    shown = largest(counts(rows, sample, line))
    assert {(at(row["time"]), row["line"]): row[column] for row in panel()} == Counter(
        (hour(row), line(row)) for row in rows if line(row) in shown
    )
    by_channel = {(at(row["time"]), row["line"]): row[column] for row in panel(by=["channel"])}
    assert by_channel == Counter((hour(row), row.channel) for row in rows)


@held("days", "Live floor / Service level over time")
def level_over_time(panel: Asked) -> None:
    """Of the eight queues with the most answers and abandonments that have a target."""
    held_to = only(panel.days.told, "first_response", "abandoned")
    shown = largest(Counter(line(row) for row in held_to if row.target_ms is not None))
    of = groups((row for row in held_to if line(row) in shown), lambda row: (hour(row), line(row)))
    assert {(at(row["time"]), row["line"]): row["level"] for row in panel()} == {
        key: about(level(rows)) for key, rows in of.items()
    }


@held("days", "Live floor / First response in the range, by queue")
def responses(panel: Asked) -> None:
    """Of each queue."""
    _times(panel, "first_response", "Answered")


@held("days", "Live floor / Handle time in the range, by queue")
def handles(panel: Asked) -> None:
    """Of each queue."""
    _times(panel, "handle", "Handled")


def _times(panel: Asked, sample: str, count: str) -> None:
    """Means are exact, percentiles within 1 %; the slowest queue first."""
    rows = panel()
    of = groups(only(panel.days.told, sample), place)
    assert {(row["channel"], row["queue"]) for row in rows} == set(of)
    for row in rows:
        values = seconds(of[row["channel"], row["queue"]], sample)
        assert (row[count], row["Mean"]) == (len(values), about(mean(values)))
        for p in (50, 80, 90, 95):
            assert row[f"p{p}"] == percentile(values, p / 100)
    assert worst_first([None if row["p90"] is None else -row["p90"] for row in rows])


@held("days", *(f"Live floor / First response · {channel}" for channel in _DRAWN_IN_S))
def responses_over_time(panel: Asked) -> None:
    """Of one channel, by the hour."""
    _over_time(panel, "first_response", _DRAWN_IN_S)


@held("days", *(f"Channels and queues / Queue wait · {channel}" for channel in _DRAWN_IN_S))
def waits_over_time(panel: Asked) -> None:
    """Of one channel, by the hour."""
    _over_time(panel, "queue_wait", _DRAWN_IN_S)


@held("days", *(f"Handle time / Handle time · {channel}" for channel in _DRAWN_IN_S))
def handle_over_time(panel: Asked) -> None:
    """Of one channel, by the hour."""
    _over_time(panel, "handle", dict.fromkeys(_DRAWN_IN_S, 60))


def _over_time(panel: Asked, sample: str, drawn_in_s: Mapping[str, int]) -> None:
    channel = panel.title.rpartition(" · ")[2]
    of = groups((row for row in only(panel.days.told, sample) if row.channel == channel), hour)
    rows = panel()
    assert {at(row["time"]) for row in rows} == set(of)
    for row in rows:
        values = [value / drawn_in_s[channel] for value in seconds(of[at(row["time"])], sample)]
        for p in (50, 80, 90, 95):
            assert row[f"p{p}"] == percentile(values, p / 100)
