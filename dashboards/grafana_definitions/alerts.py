"""One service-level alert rule for each policy: an alert a queue, where it goes, and which runbook helps.

A rule's number is the shortfall: by how many percentage points a queue's live attainment is below the objective. It is
0 where the objective is met, and where fewer contacts than the least volume were held against the target: too few to
judge is neither good nor bad. Every queue of the last day has a row, so that no data at all means that Pulssi delivers
nothing, which is an alert of its own and never a green light.
"""

# ruff: noqa: S608 - these queries are written to files, and what comes from a policy is quoted

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from dashboards.grafana_definitions.live_floor import SERVICE_LEVEL_PANEL, panel_id
from dashboards.grafana_definitions.site import DASHBOARD_UID, DATA_SOURCE, Json, Site
from schemas.policies import Policy

GROUP: Final = "Service level"
CONTACT_POINT: Final = "pulssi-webhook"
#: The label that tells Pulssi's alerts from others.
SERVICE: Final = "pulssi"

#: Attainment is judged over this long at least; over the target itself where that is longer.
_MIN_WINDOW_S: Final = 1_800
#: Queues that had anything in this time are watched.
_LOOKBACK_S: Final = 86_400
#: Contacts held against the target below which a queue is not judged.
MIN_VOLUME: Final = 10

#: How often the rules are evaluated.
EVERY_S: Final = 60


def rule_uid(policy: Policy) -> str:
    """Name a policy's rule; the runbook's file is named alike."""
    return "service-level-" + re.sub(r"[^a-z0-9]+", "-", policy.name.lower()).strip("-")


def window_s(policy: Policy) -> int:
    """Say over how many seconds a policy is judged."""
    return max(_MIN_WINDOW_S, policy.target_ms // 1_000)


def _quote(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _conditions(policy: Policy) -> str:
    """What a pane must be for this policy, or any of its kind, to hold for it."""
    fields = ("channel", "queue", "priority", "segment")
    values = ((field, getattr(policy, field)) for field in fields)
    return " AND ".join(f"{field} = {_quote(value)}" for field, value in values if value is not None) or "1"


def _applies_first(policy: Policy, policies: Sequence[Policy]) -> str:
    """The panes that this policy and no earlier one applies to."""
    others = [
        f"NOT ({_conditions(earlier)})"
        for earlier in policies[: policies.index(policy)]
        if earlier.metric == policy.metric and earlier.channel in {None, policy.channel}
    ]
    return " AND ".join([_conditions(policy), *others])


def _breached(policy: Policy) -> str:
    """Contacts that are beyond this policy's target now, as the gauges count them."""
    metric = policy.metric
    return (
        f"SELECT channel, queue, count() AS breached FROM contacts WHERE {metric}_policy = {_quote(policy.name)}"
        f" AND {metric}_breached_at <= now64(3, 'UTC') AND leaves_at > now64(3, 'UTC') AND NOT discarded"
        " GROUP BY channel, queue"
    )


def shortfall(policy: Policy, policies: Sequence[Policy]) -> str:
    """Write the rule's question: channel, queue, and the shortfall in percentage points.

    `policies` are all of them, in order: the first that applies is the one that counts.
    """
    answered, abandoned = policy.metric, "abandoned" if policy.metric == "first_response" else ""
    window, lookback = window_s(policy), max(_LOOKBACK_S, window_s(policy))
    return f"""SELECT channel, queue,
  if(counted.held + ifNull(now.breached, 0) < {MIN_VOLUME}, 0,
    greatest(0, round(100 * ({policy.objective} - ifNull(
      pulssi_service_level('{policy.formula}', counted.answered + ifNull(now.breached, 0), counted.answered_within,
        counted.abandoned, counted.abandoned_within, counted.short), {policy.objective})), 2))) AS shortfall
FROM (
  SELECT channel, queue,
    sumIf(n_target, recent AND sample = '{answered}') AS answered,
    sumIf(n_within, recent AND sample = '{answered}') AS answered_within,
    sumIf(n_target, recent AND sample = '{abandoned}') AS abandoned,
    sumIf(n_within, recent AND sample = '{abandoned}') AS abandoned_within,
    sumIf(n_short, recent AND sample = '{abandoned}') AS short,
    answered + abandoned - short AS held
  FROM (
    SELECT channel, queue, sample, n_target, n_within, n_short,
      pane_start > $__toTime - INTERVAL {window} SECOND AS recent
    FROM panes
    WHERE pane_start > $__toTime - INTERVAL {lookback} SECOND AND pane_start <= $__toTime
      AND {_applies_first(policy, policies)}
  )
  GROUP BY channel, queue
) AS counted
LEFT JOIN ({_breached(policy)}) AS now USING (channel, queue)
ORDER BY channel, queue"""


def _duration(seconds: int) -> str:
    for length, name in ((3_600, "h"), (60, "min")):
        if seconds >= length and seconds % length == 0:
            return f"{seconds // length} {name}"
    return f"{seconds} s"


def _annotations(site: Site, policy: Policy) -> dict[str, str]:
    promise = f"{policy.objective:.0%} within {_duration(policy.target_ms // 1_000)}"
    below = f"{{{{ $labels.channel }}}} {{{{ $labels.queue }}}}: {{{{ $values.A }}}} points below {promise}"
    nothing = (
        f"{policy.name}: no data for {_duration(max(_LOOKBACK_S, window_s(policy)))}, or ClickHouse does not answer"
    )
    return {
        "summary": f"{{{{ if $labels.queue }}}}{below}{{{{ else }}}}{nothing}{{{{ end }}}}",
        "description": (
            f"Policy {policy.name}: {promise} ({policy.metric.replace('_', ' ')}, formula {policy.formula}, live: "
            f"contacts that wait beyond their target count as missed), judged over {_duration(window_s(policy))} from "
            f"{MIN_VOLUME} contacts on. Without a queue in its labels: no data of this channel for a day."
        ),
        "runbook_url": f"{site.runbooks.rstrip('/')}/{rule_uid(policy)}.md",
        "__dashboardUid__": DASHBOARD_UID,
        "__panelId__": str(panel_id(SERVICE_LEVEL_PANEL)),
    }


def _queries(policy: Policy, policies: Sequence[Policy]) -> Iterator[Json]:
    """Describe the question to ClickHouse, and the threshold that its answer is held against."""
    interval = {"intervalMs": 60_000, "maxDataPoints": 1_000}
    table = {"editorType": "sql", "queryType": "table", "format": 1}
    query: Json = {"refId": "A", "datasource": DATA_SOURCE, **table, **interval}
    above_0 = [{"type": "query", "evaluator": {"type": "gt", "params": [0]}}]
    threshold: Json = {"type": "threshold", "expression": "A", "conditions": above_0, **interval}
    for range_s, model in (
        (window_s(policy), {**query, "rawSql": shortfall(policy, policies)}),
        (0, {"refId": "B", "datasource": {"type": "__expr__", "uid": "__expr__"}, **threshold}),
    ):
        yield {
            "refId": model["refId"],
            "queryType": model.get("queryType", ""),
            "relativeTimeRange": {"from": range_s, "to": 0},
            "datasourceUid": model["datasource"]["uid"],
            "model": model,
        }


def rules(site: Site, policies: Sequence[Policy]) -> list[Json]:
    """Describe one rule for each policy."""
    return [
        {
            "uid": rule_uid(policy),
            "title": f"Service level {policy.name}",
            "condition": "B",
            "data": list(_queries(policy, policies)),
            "noDataState": "Alerting",
            "execErrState": "Error",
            "for": "5m",
            "annotations": _annotations(site, policy),
            # Channel and queue come with each row of the answer; a rule that names them too would hide the row's.
            "labels": {"service": SERVICE, "policy": policy.name, "severity": "page"},
        }
        for policy in policies
    ]


def receiver(site: Site) -> Json:
    """Describe who gets the alerts: one webhook."""
    return {
        "uid": CONTACT_POINT,
        "type": "webhook",
        "settings": {"url": site.webhook_url, "httpMethod": "POST"},
        "disableResolveMessage": False,
    }


def route() -> Json:
    """Describe how alerts are bundled: one message for each queue."""
    return {
        "receiver": CONTACT_POINT,
        "group_by": ["alertname", "channel", "queue"],
        "group_wait": "10s",
        "group_interval": "1m",
        "repeat_interval": "4h",
    }
