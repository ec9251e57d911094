"""The dashboard *Live floor*: what happens now, how the range went, and why, by channel and queue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from dashboards.grafana_definitions import objectives, queries
from dashboards.grafana_definitions.layout import DATA_AS_OF, WIDTH, Row, dashboard, repeated, row
from dashboards.grafana_definitions.links import TO_QUEUE, contacts_of_row, contacts_of_step
from dashboards.grafana_definitions.panels import (
    AGO,
    CLOCK,
    DIFFERENCE,
    HOURS,
    LENGTHS,
    NUMBER,
    SECONDS,
    SHARE,
    alert_list,
    column,
    lines,
    stat,
    table,
    thresholds,
)
from dashboards.grafana_definitions.pieces import PERCENTILES
from dashboards.grafana_definitions.site import DASHBOARD_UID, Json, Site

FORMULA: Final = (
    "Formula short_excluded: answered within target / (answered + abandoned - short abandons). Contacts without a "
    "target and those that were under way before Pulssi saw them are left out; empty where nothing counts."
)
RESPONSE: Final = (
    "First response: from the start of the human clock (queue, hand-off or start of the contact) to the first human "
    "reply, for calls to the answer."
)
HANDLE: Final = "Handle time: talk, hold and wrap-up of one agent's segment, counted when it closes."
QUANTILE: Final = "Percentiles come from merged histograms and are within 1 % of exact."
STEP: Final = "Steps follow the clock of the chosen time zone; the last one is still filling."
_BY_MINUTE: Final = "As it was at each minute's turn; of a longer step the highest minute. A gap: none was saved then."
_ALL_OF_QUEUE: Final = "Of all priorities and teams, whichever are chosen."
_LARGEST: Final = "`Lines by` chooses between channels and queues; the eight with most are shown."

ORANGE_FROM_1: Final = thresholds("text", (1, "orange"))
_ORANGE_BELOW_1: Final = thresholds("orange", (1, "text"))
RED_FROM_1: Final = thresholds("text", (1, "red"))
PERCENTILE_COLOURS: Final = {"p50": "green", "p80": "blue", "p90": "orange", "p95": "red"}
_VOLUME_COLOURS: Final = {"Offered": "blue", "Answered": "green", "Abandoned": "red"}

_VOLUME_SAMPLES: Final = {"Offered": "offered", "Answered": "first_response", "Abandoned": "abandoned"}

STACKED: Final = {"drawStyle": "bars", "fillOpacity": 80, "lineWidth": 0, "stacking": {"mode": "normal"}}
BARS: Final = {"drawStyle": "bars", "fillOpacity": 60, "lineWidth": 0}
#: What is promised for calls and chats is seconds, for e-mails hours.
WAITS: Final = {"call": SECONDS, "chat": SECONDS, "email": HOURS}
_STEPS: Final = {"lineInterpolation": "stepAfter"}

CHANNEL: Final = column("channel", title="Channel", width=72)
QUEUE: Final = (CHANNEL, column("queue", title="Queue", links=[TO_QUEUE]))
#: Of an objective, which may be that of all queues of a channel.
QUEUE_OR_ALL: Final = (CHANNEL, column("Queue", links=[TO_QUEUE]), column("queue", hidden=True))
PRIORITY: Final = column("priority", title="Priority")
STATE: Final = column("state", title="State", width=84)
POLICY: Final = column("policy", title="Policy")
DIFFERENCE_COLUMN: Final = column("Difference", SHARE, colours=DIFFERENCE)

WINDOW: Final = column("window", title="Window", width=76)
BURN_RATE: Final = column("Burn rate", NUMBER, decimals=2)


def objectives_now(site: Site) -> Json:
    """Describe the table of the objectives, which two dashboards have."""
    return table(
        "Objectives now, the worst first",
        "What the SLA engine holds against each policy in each queue, over the policy's window of open time: alerts "
        "use the same figures. Level: contacts that wait beyond their target count as missed. Difference: level minus "
        "objective. Burn rate: 1 uses up the allowed late contacts exactly by the end of the window, 2 twice as fast. "
        "Contacts: those that are over. too_few: fewer contacts than the policy's minimum.",
        objectives.objectives_now(site),
        (
            column("policy", title="Policy", width=200),
            *QUEUE_OR_ALL,
            WINDOW,
            STATE,
            column("Level", SHARE),
            column("Objective", SHARE),
            DIFFERENCE_COLUMN,
            BURN_RATE,
            column("Changed", AGO, width=150),
        ),
        empty="No objective is judged yet",
    )


FIRING: Final = alert_list(
    "Alerts of Grafana",
    "Pulssi's rules in this Grafana that fire or are about to. While figures are old they keep their state.",
    '{service="pulssi"}',
)

_AGENTS: Final = table(
    "Agents now, by group and status",
    "The number of agents in each group by their latest status. An agent of several groups is counted in each of "
    "them. An agent without an event for 24 hours is not counted. Empty if no source sends agents' states.",
    queries.AGENTS_NOW,
    (column("Group"), column("Available", colours=_ORANGE_BELOW_1)),
    empty="No agent is known",
)
_SLOTS: Final = table(
    "Agents' slots now, by group and channel",
    "The fewest free slots first. A slot is the capacity of an agent for one contact. Slots: of all agents at work: "
    "available, busy, in wrap-up, or away with an open contact. In use: open handle segments of these agents. Free: "
    "unused slots of agents who are available, or busy with contacts. Use: in use / slots. Unknown: agents with an "
    "open contact whose source sends no capacity for the channel.",
    queries.SLOTS_NOW,
    (
        column("Group"),
        CHANNEL,
        column("Free", colours=_ORANGE_BELOW_1),
        column("Use", SHARE),
        column("Unknown", colours=ORANGE_FROM_1),
    ),
    empty="No agent's capacity is known",
)
AGENTS: Final = row(8, (12, _AGENTS), (12, _SLOTS))


def percentiles(title: str, text: str, sample: str, units: Mapping[str, str]) -> Row:
    """The percentiles of a duration over time: a graph a channel, each in a unit of its own."""
    graphs = (
        lines(
            f"{title} · {channel}",
            f"{text} {QUANTILE} {STEP}",
            queries.percentiles_over_time(sample, channel, 1_000 * LENGTHS[unit]),
            unit=unit,
            step="10m",
            colours=PERCENTILE_COLOURS,
        )
        for channel, unit in units.items()
    )
    return row(8, *((WIDTH // len(units), graph) for graph in graphs))


def _gauge(title: str, text: str, gauge: str) -> Json:
    return repeated(
        lines(
            f"{title} · $channel",
            f"{text} {_BY_MINUTE} The eight queues with most. {_ALL_OF_QUEUE} {STEP}",
            queries.gauge_over_time(gauge),
            name="queue",
            style=_STEPS,
        )
    )


def _times(title: str, text: str, sql: str) -> Json:
    """Describe a table of a duration by queue."""
    return table(
        title,
        f"{text} {QUANTILE}",
        sql,
        (
            *QUEUE,
            *(column(name, CLOCK) for name in ("Mean", *PERCENTILES)),
        ),
    )


def _now(site: Site) -> Iterator[Row]:
    yield row(
        4,
        (4, DATA_AS_OF),
        (
            5,
            stat(
                "Waiting now",
                f"Contacts in a queue, or whose clock runs without a first response, at this moment. {_ALL_OF_QUEUE}",
                queries.WAITING,
                colours=ORANGE_FROM_1,
            ),
        ),
        (
            5,
            stat(
                "Longest wait now",
                "How long the one who waits longest has waited; 0 where nobody waits. Where figures are old: at "
                f"their time. {_ALL_OF_QUEUE}",
                queries.LONGEST_WAIT,
                unit=CLOCK,
            ),
        ),
        (
            5,
            stat(
                "Offered",
                "Contacts that came in during the range (outbound ones: with the customer's first message).",
                queries.count_by_channel("offered"),
            ),
        ),
        (
            5,
            stat(
                "Answered",
                "Contacts that got their first response from a human in the range.",
                queries.count_by_channel("first_response"),
            ),
        ),
    )
    yield row(
        4,
        (
            6,
            stat(
                "Abandoned",
                "Contacts whose customer left before any response while the clock ran, short ones included.",
                queries.count_by_channel("abandoned"),
            ),
        ),
        (6, stat("Service level", f"Over the range. {FORMULA}", queries.LEVEL_BY_CHANNEL, unit=SHARE)),
        (
            6,
            stat(
                "First response p80",
                f"Four of five answered in the range got their response within this. {RESPONSE} {QUANTILE}",
                queries.percentile_by_channel("first_response", 0.8),
                unit=CLOCK,
            ),
        ),
        (
            6,
            stat(
                "Handle time p50",
                f"Half of the segments closed in the range took no longer. {HANDLE} {QUANTILE}",
                queries.percentile_by_channel("handle", 0.5),
                unit=CLOCK,
            ),
        ),
    )
    yield row(9, (24, objectives_now(site)))
    yield row(6, (24, FIRING))
    yield row(
        10,
        (
            24,
            table(
                "Now, by queue, the worst first",
                "Waiting: in a queue or without a first response. Awaiting: the customer wrote last. At risk: close "
                "to the first response's target; breached: beyond it. Open: neither resolved, abandoned nor "
                f"disconnected. Handling: agents' open segments. {_ALL_OF_QUEUE}",
                queries.NOW_BY_QUEUE,
                (
                    *QUEUE,
                    column("Waiting", colours=ORANGE_FROM_1),
                    column("Longest wait", CLOCK),
                    column("Awaiting reply"),
                    column("Longest await", CLOCK),
                    column("At risk", colours=ORANGE_FROM_1),
                    column("Breached", colours=RED_FROM_1),
                ),
                empty="No contact is known yet",
            ),
        ),
    )


def _range(site: Site) -> Iterator[Row]:
    by_queue = table(
        "In the range, by queue, the worst first",
        "Abandon rate: abandoned / (answered + abandoned). Service level beside the objective of the queue's policy; "
        f"difference: level minus objective. {FORMULA}",
        queries.range_by_queue(site),
        (
            *QUEUE,
            column("Offered", links=[contacts_of_row("offered")]),
            column("Abandoned", links=[contacts_of_row("abandoned")]),
            column("Abandon rate", SHARE, title="Rate"),
            column("Service level", SHARE, title="Level"),
            column("Objective", SHARE),
            DIFFERENCE_COLUMN,
        ),
    )
    compared = table(
        "Against yesterday and last week",
        "The range, and the same clock times a day and a week before, by the chosen time zone. "
        f"Levels by short_excluded. {FORMULA}",
        queries.COMPARED,
        (
            CHANNEL,
            column("Level", SHARE),
            column("Level a day before", SHARE),
            column("Level a week before", SHARE),
        ),
    )
    yield row(10, (24, by_queue))
    yield row(6, (24, compared))
    yield AGENTS
    volumes = lines(
        "Offered, answered, abandoned",
        f"Contacts a step, by when each thing happened. {STEP}",
        queries.VOLUMES,
        step="10m",
        style=BARS,
        colours=_VOLUME_COLOURS,
        hidden=["since", "until"],
        links={name: contacts_of_step(sample) for name, sample in _VOLUME_SAMPLES.items()},
    )
    offered = lines(
        "Offered, by channel or queue",
        f"Contacts a step that came in, stacked. {_LARGEST} {STEP}",
        queries.OFFERED_BY_LINE,
        step="10m",
        name="line",
        style=STACKED,
    )
    level = lines(
        "Service level over time",
        f"{FORMULA} Each contact is held against the target in force when it was answered or abandoned. {_LARGEST} "
        f"{STEP}",
        queries.LEVEL_OVER_TIME,
        unit=SHARE,
        step="10m",
        name="line",
    )
    yield row(8, (8, volumes), (8, offered), (8, level))
    responses = _times("First response in the range, by queue", RESPONSE, queries.RESPONSES_BY_QUEUE)
    handles = _times(
        "Handle time in the range, by queue",
        f"{HANDLE} Mean: AHT, the sum of handle times / segments.",
        queries.HANDLES_BY_QUEUE,
    )
    yield row(9, (24, responses))
    yield row(9, (24, handles))
    yield percentiles("First response", RESPONSE, "first_response", WAITS)
    yield row(8, (24, _gauge("Waiting", "In a queue, or without a first response.", "waiting")))
    yield row(8, (24, _gauge("Beyond the target", "Without a first response, and beyond its target.", "breached")))
    yield row(8, (24, _gauge("Awaiting a reply", "The customer wrote last, or opened it again.", "awaiting_reply")))


def live_floor(site: Site) -> Json:
    """Describe the dashboard."""
    return dashboard(
        site,
        DASHBOARD_UID,
        "Live floor",
        "Contacts now and in the range: waiting, volumes, service level, response and handle times.",
        [*_now(site), *_range(site)],
        ("channel", "queue", "priority", "team", "by"),
        since="now-3h",
        refresh="5s",
    )
