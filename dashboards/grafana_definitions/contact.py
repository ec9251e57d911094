"""The dashboard *Contact*: the contacts behind a figure, and one contact's events and samples."""

# ruff: noqa: S608 - these queries are written to files, and what a viewer types is encoded by Grafana

from __future__ import annotations

from typing import Final

from dashboards.grafana_definitions.layout import DATA_AS_OF, dashboard, row
from dashboards.grafana_definitions.links import CONTACT_UID, TO_CONTACT_OF_LIST
from dashboards.grafana_definitions.live_floor import CHANNEL, PRIORITY, QUEUE
from dashboards.grafana_definitions.panels import CLOCK, COUNT, TIME, column, table
from dashboards.grafana_definitions.pieces import SELECTED, among_chosen, chosen, in_range, quote
from dashboards.grafana_definitions.site import Json, Site
from dashboards.grafana_definitions.variables import ANY
from streams.core.event import ANY_RANK, RANKS

#: Events of agents have an empty `contact_id`: they are not shown while no contact is chosen.
_ONE: Final = f"contact_id = {chosen('contact')} AND contact_id != ''"

#: Of all samples but tags the tag is empty.
BEHIND: Final = f"""SELECT contact_id, toUnixTimestamp64Milli(at) AS "When", channel, queue, priority, team, tag
  AS "Tag",
  policy AS "Policy", value_ms / 1000 AS "Took", multiIf(within IS NULL, '', within, 'in time', 'late') AS "Target"
FROM samples
WHERE {in_range("at")} AND sample = {chosen("sample")} AND {SELECTED}
  AND (sample != 'tagged' OR {among_chosen("tag")})
  AND {chosen("policy")} IN ('{ANY}', policy) AND {chosen("target")} IN ('{ANY}', "Target")
ORDER BY at DESC, contact_id
LIMIT 500"""

SUMMARY: Final = f"""SELECT contact_id, channel, queue, priority, team, if(open, 'open', 'closed') AS "State",
  toUnixTimestamp64Milli(started_at) AS "Started", toUnixTimestamp64Milli(last_at) AS "Last event",
  first_response_ms / 1000 AS "First response", handle_ms / 1000 AS "Handled", resolution_ms / 1000 AS "Resolution",
  reopens AS "Reopened", replies AS "Replies", arrayStringConcat(tags, ', ') AS "Tags"
FROM contacts
WHERE {_ONE}"""

#: The first `contact.started` comes before all.
_FIRST_START: Final = f"""(
  SELECT argMinOrNull(event_id, (occurred_at, seq, event_id)) FROM events WHERE {_ONE} AND type = 'contact.started'
)"""
_RANK: Final = f"transform(type, [{', '.join(map(quote, RANKS))}], [{', '.join(map(str, RANKS.values()))}], {ANY_RANK})"

EVENTS: Final = f"""SELECT toUnixTimestamp64Milli(occurred_at) AS "When", type AS "Event", queue, team, agent_id
  AS "Agent",
  author AS "Author", reason AS "Reason", arrayStringConcat(tags, ', ') AS "Tags", event_id AS "Id"
FROM events
WHERE {_ONE}
ORDER BY ifNull(event_id = {_FIRST_START}, false) DESC, occurred_at, seq, {_RANK}, event_id
LIMIT 1000"""

SAMPLES: Final = f"""SELECT toUnixTimestamp64Milli(at) AS "When", sample AS "Sample", queue, agent_id AS "Agent",
  tag AS "Tag",
  outcome AS "Outcome", value_ms / 1000 AS "Took", target_ms / 1000 AS "Target", policy AS "Policy",
  multiIf(within IS NULL, '', within, 'in time', 'late') AS "Held", caused_by AS "By event"
FROM samples
WHERE {_ONE}
ORDER BY at, sample, slot
LIMIT 1000"""

_QUEUE: Final = column("queue", title="Queue")
_TEAM: Final = column("team", title="Team")
_NONE_CHOSEN: Final = "Choose a contact above"


def contact(site: Site) -> Json:
    """Describe the dashboard."""
    contacts = table(
        "The contacts behind it",
        "Contacts with a sample of the chosen kind in the range, the newest first, 500 at most: figures of other "
        "dashboards lead here. A contact with several such samples has a row for each.",
        BEHIND,
        (
            column("contact_id", title="Contact", links=[TO_CONTACT_OF_LIST], width=240),
            column("When", TIME),
            *QUEUE,
            PRIORITY,
            _TEAM,
            column("Policy", width=148),
            column("Took", CLOCK),
        ),
    )
    summary = table(
        "The contact",
        "As its last event left it. Choose one below, or write its id into `Contact`. Response: the first one's time.",
        SUMMARY,
        (
            column("contact_id", hidden=True),
            CHANNEL,
            _QUEUE,
            column("priority", title="Priority", width=72),
            _TEAM,
            column("State", width=68),
            *(column(name, TIME) for name in ("Started", "Last event")),
            column("First response", CLOCK, title="Response", width=84),
            column("Handled", CLOCK, width=84),
            column("Resolution", CLOCK, width=92),
            column("Reopened", COUNT, width=86),
            column("Replies", COUNT, width=70),
        ),
        empty="No contact is chosen, or none has this id",
    )
    events = table(
        "Its events",
        "In the order in which they are counted; texts are not shown.",
        EVENTS,
        (column("When", TIME), column("Event", width=172), _QUEUE, _TEAM),
        empty=_NONE_CHOSEN,
    )
    samples = table(
        "Its samples",
        "What was measured, by which event, and whether it was held against a target.",
        SAMPLES,
        (
            column("When", TIME),
            column("Sample", width=132),
            _QUEUE,
            column("Took", CLOCK),
            column("Target", CLOCK),
            column("Policy", width=148),
        ),
        empty=_NONE_CHOSEN,
    )
    return dashboard(
        site,
        CONTACT_UID,
        "Contact",
        "The contacts behind a figure; one contact with its events and samples.",
        [
            row(3, (24, DATA_AS_OF)),
            row(4, (24, summary)),
            row(10, (24, contacts)),
            row(10, (24, events)),
            row(10, (24, samples)),
        ],
        ("contact", "sample", "policy", "target", "channel", "queue", "priority", "team", "tag"),
        refresh="",
    )
