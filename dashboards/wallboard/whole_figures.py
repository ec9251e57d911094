"""All live figures at once, for other programs: of all channels and queues, whatever the boards show.

They come from the same snapshot as the pages, so that a number is the same wherever it is read.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import orjson

from dashboards.wallboard.snapshot import Snapshot
from schemas import metric_definitions as declared
from schemas.boards import Board, WindowName
from streams.monitoring.prometheus import MetricValue

#: A board with all channels and queues; `boards.toml` cannot have a board without a name.
EVERYTHING: Final = Board(name="", title="")
#: The windows of the figures.
WINDOWS: Final[tuple[WindowName, ...]] = ("15m", "today")

#: States in which there are no figures yet.
_UNKNOWN: Final = frozenset({"waiting", "reading"})
_MS: Final = 1000
#: Metrics of a queue at this moment, and the field that each shows.
_NOW: Final = {
    declared.LIVE_WAITING: "waiting",
    declared.LIVE_AWAITING_REPLY: "awaiting_reply",
    declared.LIVE_OPEN: "open",
    declared.LIVE_HANDLING: "handling",
    declared.LIVE_AT_RISK: "at_risk",
    declared.LIVE_BREACHED: "breached",
}
#: Counts of a queue over a window, which can be added up.
_COUNTED: Final = {
    declared.LIVE_OFFERED: "offered",
    declared.LIVE_ANSWERED: "answered",
    declared.LIVE_ABANDONED: "abandoned",
}


def whole_figures(snapshot: Snapshot) -> dict[str, Any]:
    """Return the figures of all channels and queues, as docs/live.md describes them."""
    figures: dict[str, Any] = orjson.loads(snapshot.message(EVERYTHING, WINDOWS))
    return figures


def live_metrics(snapshot: Callable[[], Snapshot]) -> Iterator[MetricValue]:
    """Yield the live figures for Prometheus; none before the journals are read."""
    figures = whole_figures(snapshot())
    if figures["state"] in _UNKNOWN:
        return
    yield MetricValue(declared.LIVE_AS_OF, (figures["as_of"] or 0) / _MS)
    for group in figures["groups"]:
        if group["channel"] is None:
            continue
        if group["queue"] is None:
            yield from _shares(group, declared.LIVE_CHANNEL_SERVICE_LEVEL, (group["channel"],))
        else:
            yield from _of_queue(group, (group["channel"], group["queue"]))
    for agents in figures["agents"]:
        if agents["group"] is not None:
            yield from _of_agents(agents)


def _of_queue(group: dict[str, Any], labels: tuple[str, ...]) -> Iterator[MetricValue]:
    now = group["now"]
    for metric, field in _NOW.items():
        yield MetricValue(metric, now[field], labels)
    yield MetricValue(declared.LIVE_LONGEST_WAIT, (now["longest_wait_ms"] or 0) / _MS, labels)
    yield from _shares(group, declared.LIVE_SERVICE_LEVEL, labels)
    for window, figures in group["windows"].items():
        for metric, field in _COUNTED.items():
            yield MetricValue(metric, figures[field], (*labels, window))
        for metric, value in (
            (declared.LIVE_FIRST_RESPONSE_P90, figures["first_response"]["p90_ms"]),
            (declared.LIVE_HANDLE_AVERAGE, figures["aht_ms"]),
        ):
            if value is not None:
                yield MetricValue(metric, value / _MS, (*labels, window))


def _shares(group: dict[str, Any], metric: declared.MetricDefinition, labels: tuple[str, ...]) -> Iterator[MetricValue]:
    """Yield service levels with their formula; if nothing was answered there is none."""
    for window, figures in group["windows"].items():
        if figures["service_level"] is not None:
            yield MetricValue(metric, figures["service_level"], (*labels, window, group["formula"]))


def _of_agents(agents: dict[str, Any]) -> Iterator[MetricValue]:
    for status, count in agents["by_status"].items():
        yield MetricValue(declared.LIVE_AGENTS, count, (agents["group"], status))
    for slots in agents["slots"]:
        if slots["free"] is not None:
            yield MetricValue(declared.LIVE_FREE_SLOTS, slots["free"], (agents["group"], slots["channel"]))
