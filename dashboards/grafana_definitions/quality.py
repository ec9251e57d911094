"""The dashboard *Quality*: what customers say, what comes back, what was slow, and what was solved at once."""

# ruff: noqa: S608 - these queries are written to files: nothing that a user types goes in here

from __future__ import annotations

from typing import Final

from dashboards.grafana_definitions.layout import DATA_AS_OF, dashboard, row
from dashboards.grafana_definitions.links import TO_CONTACT, contacts_of_row
from dashboards.grafana_definitions.live_floor import QUEUE, STEP
from dashboards.grafana_definitions.panels import CLOCK, SHARE, TIME, column, lines, stat, table
from dashboards.grafana_definitions.pieces import IN_RANGE, PLACE, SELECTED, in_range
from dashboards.grafana_definitions.pieces import STEP as STEP_SQL
from dashboards.grafana_definitions.site import Json, Site

SATISFIED: Final = f"""SELECT channel, sum(n_satisfied) / nullIf(sum(n), 0) AS satisfied
FROM panes
WHERE {IN_RANGE} AND sample = 'rated' AND {SELECTED}
GROUP BY channel
ORDER BY channel"""

BY_QUEUE: Final = f"""SELECT channel, queue,
  sumIf(n, sample = 'rated') AS "Rated",
  sumIf(n_satisfied, sample = 'rated') / nullIf("Rated", 0) AS "Satisfied",
  sumIf(sum_value, sample = 'rated') / nullIf("Rated", 0) / 1000000 AS "Mean score",
  sumIf(n, sample = 'resolution') AS "Resolved",
  sumIf(n, sample = 'reopened') AS "Reopened",
  "Reopened" / nullIf("Resolved", 0) AS "Reopened share",
  sumIf(n, sample = 'slow') AS "Slow",
  "Slow" / nullIf(sumIf(n, sample = 'first_response'), 0) AS "Slow share"
FROM panes
WHERE {IN_RANGE} AND sample IN ('rated', 'resolution', 'reopened', 'slow', 'first_response') AND {SELECTED}
GROUP BY channel, queue
ORDER BY "Satisfied" ASC NULLS LAST, "Slow share" DESC NULLS LAST, channel, queue"""

OVER_TIME: Final = f"""SELECT {STEP_SQL} AS time,
  sumIf(n_satisfied, sample = 'rated') / nullIf(sumIf(n, sample = 'rated'), 0) AS "Satisfied",
  sumIf(n, sample = 'reopened') / nullIf(sumIf(n, sample = 'resolution'), 0) AS "Reopened",
  sumIf(n, sample = 'slow') / nullIf(sumIf(n, sample = 'first_response'), 0) AS "Slow"
FROM panes
WHERE {IN_RANGE} AND sample IN ('rated', 'resolution', 'reopened', 'slow', 'first_response') AND {SELECTED}
GROUP BY time
ORDER BY time"""

FIRST_CONTACT: Final = f"""SELECT channel, queue, count() AS "Resolved",
  countIf(ifNull(first_contact, false)) / nullIf(count(first_contact), 0) AS "At first contact",
  countIf(ifNull(first_contact_in_queue, false)) / nullIf(count(first_contact), 0) AS "In its queue",
  count(first_contact) / "Resolved" AS "Customer known",
  if(max(provisional), 'yes', 'no') AS "Provisional"
FROM first_contacts
WHERE {in_range("resolved_at")} AND {PLACE}
GROUP BY channel, queue
ORDER BY "At first contact" ASC NULLS LAST, channel, queue"""

#: A sample `slow` has no duration: the query takes it from the response sample that the same event caused.
SLOWEST: Final = f"""SELECT contact_id, channel, queue, toUnixTimestamp64Milli(at) AS "When", value_ms / 1000 AS "Took"
FROM samples
WHERE {in_range("at")} AND sample IN ('first_response', 'next_response') AND {SELECTED}
  AND (contact_id, caused_by) IN (SELECT contact_id, caused_by FROM samples WHERE {in_range("at")} AND sample = 'slow')
ORDER BY value_ms DESC, contact_id
LIMIT 50"""


def quality(site: Site) -> Json:
    """Describe the dashboard."""
    by_queue = table(
        "By queue, the least satisfied first",
        "Satisfied: ratings of three quarters of the scale and more. Mean score: from 0 to 1 whatever the scale. "
        "Reopened "
        "share: reopenings / resolutions. Slow: a response took longer than the channel's patience; one a contact.",
        BY_QUEUE,
        (
            *QUEUE,
            column("Rated", links=[contacts_of_row("rated")]),
            column("Satisfied", SHARE),
            column("Mean score", SHARE),
            column("Reopened", links=[contacts_of_row("reopened")]),
            column("Reopened share", SHARE),
            column("Slow", links=[contacts_of_row("slow")]),
            column("Slow share", SHARE),
        ),
    )
    over_time = lines(
        "Satisfied, reopened, slow",
        f"Shares of the ratings, of the resolutions, and of the first responses of a step. A gap: there were none. "
        f"{STEP}",
        OVER_TIME,
        unit=SHARE,
        step="1h",
    )
    first = table(
        "Resolved at the first contact, the least first",
        "Not reopened, and no other contact of the same customer within 7 days, in any channel (first contact) or in "
        "its own queue; of those whose customer is known. Provisional: the 7 days are not over. By the time of the "
        "last resolution.",
        FIRST_CONTACT,
        (
            *QUEUE,
            column("At first contact", SHARE, title="First contact"),
            column("In its queue", SHARE),
            column("Customer known", SHARE, width=132),
        ),
    )
    slowest = table(
        "The slowest responses",
        "Contacts whose first or a later response took longer than the channel's patience; the fifty slowest.",
        SLOWEST,
        (
            column("contact_id", title="Contact", links=[TO_CONTACT]),
            *QUEUE,
            column("When", TIME),
            column("Took", CLOCK),
        ),
    )
    return dashboard(
        site,
        "pulssi-quality",
        "Quality",
        "Satisfaction, reopenings, slow contacts and first-contact resolution.",
        [
            row(
                4,
                (6, DATA_AS_OF),
                (18, stat("Satisfied", "Ratings of three quarters of the scale and more.", SATISFIED, unit=SHARE)),
            ),
            row(11, (24, by_queue)),
            row(9, (10, over_time), (14, first)),
            row(9, (24, slowest)),
        ],
        ("channel", "queue", "priority", "team"),
        since="now-7d",
    )
