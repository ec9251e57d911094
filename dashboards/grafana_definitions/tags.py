"""The dashboard *Tags and reasons*: what contacts are about, what grows, and how well they are tagged."""

# ruff: noqa: S608 - these queries are written to files: nothing that a user types goes in here

from __future__ import annotations

from typing import Final

from dashboards.grafana_definitions.layout import DATA_AS_OF, dashboard, row
from dashboards.grafana_definitions.links import CONTACTS_WITH_TAG
from dashboards.grafana_definitions.live_floor import ORANGE_FROM_1, QUEUE, STACKED, STATE, STEP
from dashboards.grafana_definitions.panels import NUMBER, SHARE, TIME, column, lines, stat, table
from dashboards.grafana_definitions.pieces import (
    EVERY_CHANNEL,
    IN_RANGE,
    RANGE_FROM,
    RANGE_UNTIL,
    SELECTED,
    TAG_SELECTED,
    among_chosen,
)
from dashboards.grafana_definitions.pieces import STEP as STEP_SQL
from dashboards.grafana_definitions.site import Json, Site

TAGS: Final = f"""SELECT tag, if(min(known), 'yes', 'no') AS "In the taxonomy", sum(n) AS "Contacts"
FROM tag_panes
WHERE {IN_RANGE} AND {TAG_SELECTED}
GROUP BY tag
ORDER BY "Contacts" DESC, tag
LIMIT 50"""

TAGS_OVER_TIME: Final = f"""SELECT {STEP_SQL} AS time, tag, sum(n) AS contacts
FROM tag_panes
WHERE {IN_RANGE} AND {TAG_SELECTED}
  AND tag IN (
    SELECT tag FROM tag_panes WHERE {IN_RANGE} AND {TAG_SELECTED} GROUP BY tag ORDER BY sum(n) DESC, tag LIMIT 8
  )
GROUP BY time, tag
ORDER BY time, tag"""

TAGS_BY_QUEUE: Final = f"""SELECT channel, queue, tag, sum(n) AS "Contacts"
FROM tag_panes
WHERE {IN_RANGE} AND {TAG_SELECTED}
GROUP BY channel, queue, tag
ORDER BY "Contacts" DESC, channel, queue, tag
LIMIT 50"""

_TAG: Final = among_chosen("tag")

SHARES: Final = f"""SELECT tag, sum(contacts) AS "Contacts", any(share_of_contacts) AS "Of resolved",
  any(share_of_tagged) AS "Of tagged"
FROM tag_shares(started_from = toDateTime64({RANGE_FROM}, 3, 'UTC'), started_to = toDateTime64({RANGE_UNTIL}, 3, 'UTC'))
WHERE scope = 'centre' AND {_TAG}
GROUP BY tag
ORDER BY "Contacts" DESC, tag
LIMIT 50"""

GROWTH: Final = f"""SELECT tag, channel, queue, sum(n) AS "Contacts", sum(expected) AS "Expected",
  "Contacts" / nullIf("Expected", 0) - 1 AS "Growth"
FROM tag_growth(hours_from = toDateTime64($__fromTime, 3, 'UTC'), hours_to = toDateTime64($__toTime, 3, 'UTC'))
WHERE NOT filling AND {TAG_SELECTED}
GROUP BY tag, channel, queue
ORDER BY "Contacts" - ifNull("Expected", 0) DESC, tag, channel, queue
LIMIT 50"""

HEALTH: Final = f"""SELECT channel, queue,
  sumIf(n, sample = 'any_tag') AS "Tagged",
  sumIf(n, sample = 'untagged_resolved') AS "Resolved untagged",
  "Resolved untagged" / nullIf("Tagged" + "Resolved untagged", 0) AS "Share untagged"
FROM panes
WHERE {IN_RANGE} AND sample IN ('any_tag', 'untagged_resolved') AND {SELECTED}
GROUP BY channel, queue
ORDER BY "Share untagged" DESC NULLS LAST, channel, queue"""

UNKNOWN: Final = f"""SELECT channel, uniqExactIf(tag, NOT known) AS tags
FROM (
  SELECT channel, tag, known FROM tag_panes WHERE {IN_RANGE} AND {TAG_SELECTED}
  UNION ALL
  SELECT {EVERY_CHANNEL} AS channel, '', true
)
GROUP BY channel
ORDER BY channel"""

SURGES: Final = """SELECT alert_id, policy AS "Rule", dimensions['tag'] AS tag, dimensions['channel'] AS channel,
  dimensions['queue'] AS queue, state, value AS "Contacts", `limit` AS "Limit", toUnixTimestamp64Milli(fired_at)
    AS "Fired"
FROM alerts
WHERE condition = 'surge' AND $__timeFilter(fired_at)
ORDER BY fired_at DESC
LIMIT 50"""


def tags(site: Site) -> Json:
    """Describe the dashboard."""
    tag = column("tag", title="Tag", links=[CONTACTS_WITH_TAG])
    return dashboard(
        site,
        "pulssi-tags",
        "Tags and reasons",
        "What contacts are about: volumes, shares, growth and surges of tags, and whether contacts are tagged.",
        [
            row(
                4,
                (6, DATA_AS_OF),
                (
                    18,
                    stat(
                        "Tags that are not in the taxonomy",
                        "How many different tags of the range `taxonomy.toml` does not know. Without a taxonomy all "
                        "are known.",
                        UNKNOWN,
                        colours=ORANGE_FROM_1,
                    ),
                ),
            ),
            row(
                11,
                (
                    8,
                    table(
                        "Volume per tag",
                        "Contacts with the tag in effect, counted when it was put on; the fifty most frequent.",
                        TAGS,
                        (tag, column("In the taxonomy", title="Known"), column("Contacts", bar=True)),
                    ),
                ),
                (
                    16,
                    lines(
                        "Volume per tag over time",
                        f"The eight most frequent tags of the range, contacts a step, stacked. {STEP}",
                        TAGS_OVER_TIME,
                        step="10m",
                        name="tag",
                        style=STACKED,
                    ),
                ),
            ),
            row(
                10,
                (
                    8,
                    table(
                        "Shares",
                        "Of contacts that started in the range, in the whole centre: of those that were resolved, "
                        "and of those "
                        "with any tag. A contact with two tags counts in both, so shares do not add up to 100 %.",
                        SHARES,
                        (tag, column("Of resolved", SHARE), column("Of tagged", SHARE)),
                    ),
                ),
                (
                    16,
                    table(
                        "Growth, the largest first",
                        "Against the same weekday and hour of the four weeks before, by the centre's clock; whole "
                        "hours. The first has most contacts more than expected. "
                        "Growth 50 % is half as many again; empty where nothing was expected.",
                        GROWTH,
                        (tag, *QUEUE, column("Expected", NUMBER), column("Growth", SHARE)),
                    ),
                ),
            ),
            row(
                9,
                (
                    12,
                    table(
                        "Volume per tag, by queue",
                        "By channel and queue at the time the tag was put on; the fifty largest.",
                        TAGS_BY_QUEUE,
                        (*QUEUE, tag),
                    ),
                ),
                (
                    12,
                    table(
                        "Are contacts tagged?",
                        "Tagged: contacts with a tag in effect. Untagged: contacts that were resolved without a tag.",
                        HEALTH,
                        (
                            *QUEUE,
                            column("Resolved untagged", title="Untagged"),
                            column("Share untagged", SHARE, width=132),
                        ),
                    ),
                ),
            ),
            row(
                6,
                (
                    24,
                    table(
                        "Surges in the range",
                        "Alerts because a tag came far more often than usual. docs/alerts.md says when one fires.",
                        SURGES,
                        (
                            column("alert_id", hidden=True),
                            tag,
                            *QUEUE,
                            STATE,
                            column("Limit", NUMBER),
                            column("Fired", TIME),
                        ),
                        empty="No surge in this range",
                    ),
                ),
            ),
        ],
        ("channel", "queue", "priority", "team", "tag"),
    )
