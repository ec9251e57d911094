"""Questions about objectives and breaches, which the live floor and the dashboard *SLA* share."""

# ruff: noqa: S608 - these queries are written to files: nothing that a user types goes in here

from __future__ import annotations

from typing import Final

from dashboards.grafana_definitions.pieces import (
    AS_OF,
    IN_RANGE,
    PLACE,
    SELECTED,
    all_chosen,
    among_chosen,
    held_ms,
    in_range,
    quote,
    step_of,
    window_of,
)
from dashboards.grafana_definitions.site import Site
from schemas.policies import Policy

#: Objectives that are judged for all queues together have no queue, and are shown whatever queue is chosen.
_OF_PLACE: Final = (
    among_chosen("channel", "dimensions['channel']")
    + f" AND $__conditionalAll(dimensions['queue'] IN arrayPushBack({all_chosen('queue')}, ''), $queue)"
)

#: As it is shown, and for the way to it: an objective of a whole channel leads to all of its queues. (Grafana's name of
#: all is made of a dollar sign and two underscores, which the data source would take for a macro.)
_QUEUE: Final = """if(dimensions['queue'] = '', 'all', dimensions['queue']) AS "Queue",
  if(dimensions['queue'] = '', concat(char(36), '__all'), dimensions['queue']) AS queue"""


def _of_own_windows(site: Site) -> str:
    """Leave out the windows of burn rates: each queue has many of them."""
    windows = ", ".join(
        f"({quote(policy.name)}, {window})" for policy in site.policies() for window in site.windows_ms(policy.name)
    )
    return f"(policy, window_ms) IN ({windows})" if windows else "false"


def objectives_now(site: Site) -> str:
    """Query how each policy is kept now in each queue, over the policy's own window, the worst first."""
    return f"""SELECT policy, dimensions['channel'] AS channel, {_QUEUE}, window,
  state, attained_live AS "Level", objective AS "Objective", attained_live - objective AS "Difference",
  burn_rate AS "Burn rate", n AS "Contacts", toUnixTimestamp64Milli(at) AS "Changed"
FROM objectives
WHERE {_of_own_windows(site)} AND {_OF_PLACE}
ORDER BY state = 'missed' DESC, state = 'too_few', "Difference" ASC NULLS LAST, policy, channel, queue, window_ms"""


BURN_RATES: Final = f"""SELECT policy, dimensions['channel'] AS channel, {_QUEUE}, window,
  burn_rate AS "Burn rate", attained_live AS "Level", objective AS "Objective", n AS "Contacts"
FROM objectives
WHERE {_OF_PLACE}
ORDER BY "Burn rate" DESC NULLS LAST, policy, channel, queue, window_ms
LIMIT 200"""

FORMULAS_BY_QUEUE: Final = (
    "SELECT channel, queue,\n  "
    + ",\n  ".join(
        f"pulssi_service_level('{name}', sum(answered), sum(answered_within), sum(abandoned), sum(abandoned_within),"
        f' sum(short)) AS "{name}"'
        for name in ("short_excluded", "answered_only", "offered", "abandons_met", "excluding_abandoned_within")
    )
    + f"""
FROM service_level
WHERE {IN_RANGE} AND {SELECTED}
GROUP BY channel, queue
ORDER BY "short_excluded" ASC NULLS LAST, channel, queue"""
)


def breaches_by_policy(site: Site) -> str:
    """What was late in the range, by policy and queue: how many, and how far the worst was beyond its target.

    The latter is by the clocks of the policies as they are written now: samples do not say by which they were judged.
    """
    return f"""SELECT policy, sample, channel, queue,
  count() AS "Judged", countIf(within = false) AS "Late", "Late" / "Judged" AS "Share late",
  maxIf({held_ms(site)} - target_ms AS beyond_ms, within = false AND beyond_ms > 0) / 1000 AS "Worst beyond"
FROM samples
WHERE {in_range("at")} AND within IS NOT NULL AND {SELECTED}
GROUP BY policy, sample, channel, queue
ORDER BY "Late" DESC, policy, sample, channel, queue
LIMIT 200"""


LATE_NOW: Final = f"""SELECT contact_id, channel, queue, priority, first_response_policy AS policy,
  dateDiff('second', first_response_breached_at, {AS_OF}) AS "Beyond", dateDiff('second', clock_since, {AS_OF}) AS
    "Waits"
FROM contacts
WHERE NOT discarded AND leaves_at > {AS_OF} AND first_response_breached_at <= {AS_OF} AND {PLACE}
ORDER BY "Beyond" DESC, contact_id
LIMIT 100"""


def attained_over_time(site: Site, policy: Policy) -> str:
    """How a policy's objective was attained in its window, a line a queue: the eight worst of the range."""
    window = window_of(site, policy.name, "at")
    of = f"policy = {quote(policy.name)} AND window_ms = {window} AND $__timeFilter(at) AND {PLACE}"
    worst = (
        f"(SELECT channel, queue FROM objective_history WHERE {of}"
        " GROUP BY channel, queue ORDER BY min(attained_live), queue LIMIT 8)"
    )
    return f"""SELECT {step_of("at")} AS time, if(queue = '', channel, concat(channel, ' · ', queue)) AS line,
  argMax(attained_live, at) AS level
FROM objective_history
WHERE {of} AND (channel, queue) IN {worst}
GROUP BY time, line
ORDER BY time, line"""
