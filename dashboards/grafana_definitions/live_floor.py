"""The dashboard *Live floor*: what happens now, how the range went, and why, by channel and queue."""

from __future__ import annotations

from typing import Final

from dashboards.grafana_definitions import queries
from dashboards.grafana_definitions.panels import CLOCK, LEVEL, SHARE, bars, column, lines, stat, table, thresholds
from dashboards.grafana_definitions.site import DASHBOARD_UID, DATA_SOURCE, Json

#: The panel that alerts link to.
SERVICE_LEVEL_PANEL: Final = "Service level over time · short_excluded"

_FORMULA: Final = (
    "Formula short_excluded: answered within target / (answered + abandoned - short abandons). Contacts without a "
    "target and those that were under way before Pulssi saw them are left out; empty where nothing counts."
)
_RESPONSE: Final = (
    "First response: from the start of the human clock (queue, hand-off or start of the contact) to the first human "
    "reply, for calls to the answer."
)
_HANDLE: Final = "Handle time: talk, hold and wrap-up of one agent's segment, counted when it closes."
_QUANTILE: Final = "Percentiles come from merged histograms and are within 1 % of exact."
_STEP: Final = "The last step is still filling."
_BY_MINUTE: Final = (
    "As it was at each minute's turn; of a longer step the highest minute. A gap: nobody looked then. "
    "`Lines by` chooses between channels and queues."
)

#: What each panel shows, by its title.
_DESCRIPTIONS: Final = {
    "Waiting now": "Contacts in a queue, or whose clock runs without a first response, at this moment.",
    "Longest wait now": "How long the one who waits longest has waited, at this moment; 0 where nobody waits.",
    "Offered": "Contacts that came in during the range (outbound ones: with the customer's first message).",
    "Answered": "Contacts that got their first response from a human in the range.",
    "Abandoned": "Contacts whose customer left before any response while the clock ran, short ones included.",
    "Service level · short_excluded": f"Over the range. {_FORMULA}",
    "First response p80": (
        f"Four of five answered in the range got their response within this. {_RESPONSE} {_QUANTILE}"
    ),
    "Handle time p50": f"Half of the segments closed in the range took no longer. {_HANDLE} {_QUANTILE}",
    "Now, by queue": (
        "Waiting: in a queue or without a first response. Awaiting reply: the customer wrote last. At risk: close "
        "to the first response's target; breached: beyond it. Open: neither resolved, abandoned nor disconnected. "
        "Handling: agents' open segments. Longest: how long the one who waits longest has waited."
    ),
    "In the range, by queue · service level short_excluded": (
        f"Abandon rate: abandoned / (answered + abandoned). {_FORMULA}"
    ),
    "Agents now, by group and status": (
        "The number of agents in each group by their latest status. An agent of several groups is counted in each of "
        "them. An agent without an event for 24 hours is not counted. Empty if no source sends agents' states."
    ),
    "Agents' slots now, by group and channel": (
        "A slot is the capacity of an agent for one contact. Slots: of all agents at work, that is available, busy, in "
        "wrap-up, or away with an open contact. In use: open handle segments of these agents. Free: unused slots of "
        "agents who are available, or busy with contacts. Use: in use / slots. Unknown: agents with an open contact "
        "whose source sends no capacity for the channel."
    ),
    "Offered, answered, abandoned": f"Contacts a step, by when each thing happened. {_STEP}",
    "Offered, by channel or queue": (
        f"Contacts a step that came in, stacked; `Lines by` chooses between channels and queues. {_STEP}"
    ),
    SERVICE_LEVEL_PANEL: (
        f"{_FORMULA} Each contact is held against the target in force when it was answered or abandoned. {_STEP}"
    ),
    "First response and handle time in the range, by queue": (
        f"{_RESPONSE} {_HANDLE} AHT: sum of handle times / segments. {_QUANTILE}"
    ),
    "First response · $channel": f"{_RESPONSE} {_QUANTILE} {_STEP}",
    "Handle time · $channel": f"{_HANDLE} {_QUANTILE} {_STEP}",
    "Volume per tag": (
        "Contacts with the tag in effect, counted when it was put on; the twelve most frequent of the range."
    ),
    "Volume per tag over time": f"The eight most frequent tags of the range, contacts a step, stacked. {_STEP}",
    "Volume per tag, by queue": (
        "Contacts with the tag in effect, by channel and queue at the time it was put on; the fifty largest."
    ),
    "Waiting over time": f"In a queue, or without a first response. {_BY_MINUTE}",
    "Beyond the target over time": f"Without a first response, and beyond its target. {_BY_MINUTE}",
    "Awaiting a reply over time": f"The customer wrote last, or opened it again. {_BY_MINUTE}",
}

_ORANGE_FROM_1: Final = thresholds("text", (1, "orange"))
_ORANGE_BELOW_1: Final = thresholds("orange", (1, "text"))
_RED_FROM_1: Final = thresholds("text", (1, "red"))
_VOLUME_COLOURS: Final = {"Offered": "blue", "Answered": "green", "Abandoned": "red"}
_PERCENTILE_COLOURS: Final = {"p50": "green", "p80": "blue", "p90": "orange", "p95": "red"}

_QUEUE: Final = (column("channel", title="Channel", width=76), column("queue", title="Queue", width=120))
_NOW: Final = (
    *_QUEUE,
    column("Waiting", colours=_ORANGE_FROM_1),
    column("Longest wait", CLOCK, title="Longest", width=95),
    column("Awaiting reply", title="Awaiting"),
    column("Longest await", CLOCK, title="Longest", width=95),
    column("At risk", colours=_ORANGE_FROM_1),
    column("Breached", colours=_RED_FROM_1),
)
_LEVEL: Final = column("Service level", SHARE, colours=LEVEL, width=110)
_RANGE: Final = (*_QUEUE, column("Abandon rate", SHARE, width=110), _LEVEL)
_AGENTS: Final = (column("Group", width=180), column("Available", colours=_ORANGE_BELOW_1))
_SLOTS: Final = (
    column("Group", width=180),
    column("channel", title="Channel", width=76),
    column("Free", colours=_ORANGE_BELOW_1),
    column("Use", SHARE, width=90),
    column("Unknown", colours=_ORANGE_FROM_1),
)
_CLOCKS: Final = ("Response mean", "AHT", *(f"{of} {p}" for of in ("Response", "Handle") for p in queries.PERCENTILES))
_TIMES: Final = (*_QUEUE, *(column(name, CLOCK) for name in _CLOCKS))

_STACKED: Final = {"drawStyle": "bars", "fillOpacity": 80, "lineWidth": 0, "stacking": {"mode": "normal"}}
_GAPS: Final = {"fillOpacity": 0, "spanNulls": 3_600_000, "showPoints": "auto"}
_STEPS: Final = {"lineInterpolation": "stepAfter", "fillOpacity": 0}
_GREEN_FROM_80: Final = thresholds("transparent", (0.8, "green"))


def _percentiles(title: str, sample: str, y: int) -> Json:
    sql = queries.percentiles_over_time(sample)
    panel = lines(title, sql, (0, y, 8, 8), unit=CLOCK, step="5m", colours=_PERCENTILE_COLOURS, style=_GAPS)
    # Once for each channel, side by side.
    return {**panel, "repeat": "channel", "repeatDirection": "h", "maxPerRow": 3}


def _panels() -> list[Json]:
    by_channel, over_time = queries.percentile_by_channel, queries.gauge_over_time
    share, by_line, tags = "Service level · short_excluded", "Offered, by channel or queue", "Volume per tag over time"
    in_range = "In the range, by queue · service level short_excluded"
    times = "First response and handle time in the range, by queue"
    return [
        stat("Waiting now", queries.WAITING, (0, 0, 3, 5), colours=_ORANGE_FROM_1),
        stat("Longest wait now", queries.LONGEST_WAIT, (3, 0, 3, 5), unit=CLOCK),
        stat("Offered", queries.count_by_channel("offered"), (6, 0, 2, 5)),
        stat("Answered", queries.count_by_channel("first_response"), (8, 0, 2, 5)),
        stat("Abandoned", queries.count_by_channel("abandoned"), (10, 0, 3, 5), colours=_ORANGE_FROM_1),
        stat(share, queries.LEVEL_BY_CHANNEL, (13, 0, 5, 5), unit=SHARE, colours=LEVEL),
        stat("First response p80", by_channel("first_response", 0.8), (18, 0, 3, 5), unit=CLOCK),
        stat("Handle time p50", by_channel("handle", 0.5), (21, 0, 3, 5), unit=CLOCK),
        table("Now, by queue", queries.NOW_BY_QUEUE, (0, 5, 13, 9), _NOW),
        table(in_range, queries.RANGE_BY_QUEUE, (13, 5, 11, 9), _RANGE),
        table("Agents now, by group and status", queries.AGENTS_NOW, (0, 14, 11, 7), _AGENTS),
        table("Agents' slots now, by group and channel", queries.SLOTS_NOW, (11, 14, 13, 7), _SLOTS),
        lines("Offered, answered, abandoned", queries.VOLUMES, (0, 21, 8, 8), step="5m", colours=_VOLUME_COLOURS),
        lines(by_line, queries.OFFERED_BY_LINE, (8, 21, 8, 8), step="5m", name="line", style=_STACKED),
        lines(
            SERVICE_LEVEL_PANEL,
            queries.LEVEL_OVER_TIME,
            (16, 21, 8, 8),
            unit=SHARE,
            step="10m",
            name="line",
            threshold=_GREEN_FROM_80,
            style=_GAPS,
        ),
        table(times, queries.TIMES_BY_QUEUE, (0, 29, 24, 8), _TIMES),
        _percentiles("First response · $channel", "first_response", 37),
        _percentiles("Handle time · $channel", "handle", 45),
        bars("Volume per tag", queries.TAGS, (0, 53, 8, 10)),
        lines(tags, queries.TAGS_OVER_TIME, (8, 53, 8, 10), step="10m", name="named", style=_STACKED),
        table("Volume per tag, by queue", queries.TAGS_BY_QUEUE, (16, 53, 8, 10), _QUEUE),
        lines("Waiting over time", over_time("waiting"), (0, 63, 8, 8), name="line", style=_STEPS),
        lines("Beyond the target over time", over_time("breached"), (8, 63, 8, 8), name="line", style=_STEPS),
        lines("Awaiting a reply over time", over_time("awaiting_reply"), (16, 63, 8, 8), name="line", style=_STEPS),
    ]


def _query_variable(name: str, label: str, sql: str) -> Json:
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATA_SOURCE,
        "query": {"rawSql": sql, "editorType": "sql", "refId": name},
        "definition": sql,
        "multi": True,
        "includeAll": True,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [],
        "refresh": 1,  # with the page: at each refresh it would start every panel, and each repeated one, again
        "sort": 0,
        "hide": 0,
    }


def _lines_by_variable() -> Json:
    options = [{"selected": choice == "channel", "text": choice, "value": choice} for choice in ("channel", "queue")]
    return {
        "type": "custom",
        "name": "by",
        "label": "Lines by",
        "query": "channel,queue",
        "multi": False,
        "includeAll": False,
        "current": options[0],
        "options": options,
        "hide": 0,
    }


def live_floor() -> Json:
    """Describe the dashboard, its panels numbered in order."""
    return {
        "uid": DASHBOARD_UID,
        "title": "Live floor",
        "description": "Contacts now and in the range: waiting, volumes, service level, response and handle times.",
        "tags": ["pulssi"],
        "schemaVersion": 37,
        "version": 1,
        "editable": True,
        "timezone": "browser",
        "time": {"from": "now-3h", "to": "now"},
        "refresh": "30s",
        "timepicker": {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m"]},
        "templating": {
            "list": [
                _query_variable("channel", "Channel", queries.CHANNELS),
                _query_variable("queue", "Queue", queries.QUEUES),
                _lines_by_variable(),
            ]
        },
        "annotations": {"list": []},
        "links": [],
        "panels": [
            {"id": number, **panel, "description": _DESCRIPTIONS[panel["title"]]}
            for number, panel in enumerate(_panels(), start=1)
        ],
    }


def panel_id(title: str) -> int:
    """Find a panel's number. Raises StopIteration where there is none of that title."""
    return next(int(panel["id"]) for panel in live_floor()["panels"] if panel["title"] == title)
