"""Grafana's alert rules: one for each policy, an alert a queue, and one for the age of the figures.

A policy's rule asks the view `objectives`: it says what the SLA engine says, over the policy's window and from its
least number of contacts on, also for queues in which contacts only wait. Its number is the shortfall in
percentage points; 0 where the objective is met, or too few contacts were judged. The rows stay while the figures are
old, so a stalled pipeline resolves nothing, and the rule for their age fires. One more row without a queue is always
there: no row at all means that ClickHouse did not answer, and never that all is well.
"""

# ruff: noqa: S608 - these queries are written to files, and what comes from a policy is quoted

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

from dashboards.grafana_definitions.pieces import quote, window_of
from dashboards.grafana_definitions.promises import duration, promise
from dashboards.grafana_definitions.site import DATA_SOURCE, Json, Release, Site
from dashboards.grafana_definitions.sla import SLA_UID, attained_title, sla
from schemas.policies import Policy

GROUP: Final = "Service level"
#: The label `service` of Pulssi's alerts.
SERVICE: Final = "pulssi"
FRESHNESS_UID: Final = "pulssi-freshness"

#: How often the rules are evaluated.
EVERY_S: Final = 60
#: Evaluations without a queue's row after which its alert resolves. The engine removes the
#: rows that it no longer judges. One evaluation without a row is not enough: the table may just be rewritten.
MISSING_EVALUATIONS: Final = 5

#: The first releases that keep a state without an answer, and that keep firing for a time, by API and by files.
KEEPS_STATE: Final[Release] = (10, 4)
_KEEPS_FIRING: Final[Release] = (12, 0)
_KEEPS_FIRING_IN_FILES: Final[Release] = (12, 2)

#: The sink records each minute, within 20 seconds, that everything is in.
_SAID_EVERY_S: Final = 80

#: Grafana's longest identifier.
_UID_LENGTH: Final = 40
#: Runbooks of the policies that hold where nothing is configured.
_OWN_RUNBOOKS: Final = frozenset({"call-20s", "chat-60s", "email-24h"})


def rule_uid(policy: Policy) -> str:
    """Name a policy's rule: by the policy's name, and where that does not fit, by its digest too."""
    prefix = "service-level-"
    slug = re.sub(r"[^a-z0-9]+", "-", policy.name.lower()).strip("-")
    if slug != policy.name or len(prefix + slug) > _UID_LENGTH:
        digest = blake2b(policy.name.encode(), digest_size=4).hexdigest()
        slug = f"{slug[: _UID_LENGTH - len(prefix) - 9]}-{digest}"
    return prefix + slug


def shortfall(site: Site, policy: Policy) -> str:
    """Write the rule's question: channel, queue, and the shortfall in percentage points."""
    window = window_of(site, policy.name, "now()")
    return f"""SELECT channel, queue, shortfall
FROM (
  SELECT dimensions['channel'] AS channel, dimensions['queue'] AS queue,
    if(state = 'missed', greatest(0.01, round(100 * (objective - attained_live), 2)), 0) AS shortfall
  FROM objectives
  WHERE policy = {quote(policy.name)} AND window_ms = {window}
  ORDER BY at DESC
  LIMIT 1 BY channel, queue
  UNION ALL
  SELECT '', '', 0
)
ORDER BY channel, queue"""


AGE: Final = "SELECT round(age_ms / 1000) AS age_s FROM freshness WHERE data_at IS NOT NULL"


def oldest_s(site: Site) -> int:
    """Say how old the figures may be, in seconds."""
    return _SAID_EVERY_S + site.alert_rules.pipeline.behind_ms // 1_000


def _runbook(site: Site, file: str) -> dict[str, str]:
    link = {"runbook_url": f"{site.runbooks.rstrip('/')}/{file}"} if site.runbooks else {}
    return {"runbook": f"docs/runbooks/{file}", **link}


def _annotations(site: Site, policy: Policy, panel_ids: dict[str, int]) -> dict[str, str]:
    windows = " or ".join(duration(window // 1_000) for window in site.windows_ms(policy.name))
    least = policy.min_volume or site.alert_rules.attainment.min_volume
    return {
        # Grafana's list of rules shows this text without values, so it has no templates.
        "summary": f"{policy.name}: fewer than {promise(policy)}",
        "description": (
            f"Policy {policy.name} promises {promise(policy)} ({policy.metric.replace('_', ' ')}, formula "
            f"{policy.formula}). Judged as the SLA engine judges it: over {windows} of open time, from {least} "
            "contacts on; contacts that wait beyond their target count as missed. "
            "The value is the shortfall in percentage points."
        ),
        **_runbook(site, f"{rule_uid(policy)}.md" if policy.name in _OWN_RUNBOOKS else "alerts.md"),
        "__dashboardUid__": SLA_UID,
        "__panelId__": str(panel_ids[attained_title(policy.name)]),
    }


def _queries(sql: str, above: float) -> Iterator[Json]:
    """Describe the question to ClickHouse, and the threshold that its answer is held against."""
    interval = {"intervalMs": 60_000, "maxDataPoints": 1_000}
    table = {"editorType": "sql", "queryType": "table", "format": 1}
    query: Json = {"refId": "A", "datasource": DATA_SOURCE, **table, **interval, "rawSql": sql}
    conditions = [{"type": "query", "evaluator": {"type": "gt", "params": [above]}}]
    threshold: Json = {"type": "threshold", "expression": "A", "conditions": conditions, **interval}
    expression = {"refId": "B", "datasource": {"type": "__expr__", "uid": "__expr__"}, **threshold}
    for range_s, model in ((600, query), (0, expression)):
        yield {
            "refId": model["refId"],
            "queryType": model.get("queryType", ""),
            "relativeTimeRange": {"from": range_s, "to": 0},
            "datasourceUid": model["datasource"]["uid"],
            "model": model,
        }


def _whole_evaluations(milliseconds: int) -> str:
    """Write a time as whole evaluations, at least one."""
    return f"{max(1, -(-milliseconds // (EVERY_S * 1_000)))}m"


def _rule_for(site: Site, policy: Policy, panel_ids: dict[str, int]) -> Json:
    keeps = site.release >= KEEPS_STATE
    return {
        "uid": rule_uid(policy),
        "title": f"Service level {policy.name}",
        "condition": "B",
        "data": list(_queries(shortfall(site, policy), 0)),
        # Without an answer nothing is known, so nothing changes; the rule for the age of the figures says so.
        "noDataState": "KeepLast" if keeps else "OK",
        "execErrState": "KeepLast" if keeps else "Error",
        "for": _whole_evaluations(site.alert_rules.timing.hold_ms),
        "annotations": _annotations(site, policy, panel_ids),
        # Channel and queue come with each row of the answer; a rule that names them too would hide the row's.
        "labels": {"service": SERVICE, "policy": policy.name, "severity": site.alert_rules.attainment.severity},
    }


def _freshness_rule(site: Site) -> Json:
    limit = oldest_s(site)
    return {
        "uid": FRESHNESS_UID,
        "title": "Figures are old",
        "condition": "B",
        "data": list(_queries(AGE, limit)),
        "noDataState": "Alerting",
        "execErrState": "Alerting",
        "for": _whole_evaluations(site.alert_rules.pipeline.hold_ms),
        "annotations": {
            "summary": "Pulssi's figures in ClickHouse are old, or ClickHouse does not answer",
            "description": (
                f"The figures in ClickHouse are older than {duration(limit)}. All dashboards show old "
                "figures, and alerts of policies keep the state that they had. The value is the age in seconds."
            ),
            **_runbook(site, "figures-are-old.md"),
        },
        "labels": {"service": SERVICE, "severity": "critical"},
    }


def rules(site: Site) -> list[Json]:
    """Describe one rule for each policy, and the one for the age of the figures, as files and API have them alike."""
    panel_ids = {str(panel["title"]): int(panel["id"]) for panel in sla(site)["panels"]}
    return [_freshness_rule(site), *(_rule_for(site, policy, panel_ids) for policy in site.policies())]


def rules_in_files(site: Site) -> list[Json]:
    """Describe the rules by the names of Grafana's files, which take `$NAME` in titles and labels for a variable."""
    found = _keeping(site, _KEEPS_FIRING_IN_FILES, "keepFiringFor", "missing_series_evals_to_resolve")
    return [
        {
            **rule,
            "title": rule["title"].replace("$", "$$"),
            "labels": {name: value.replace("$", "$$") for name, value in rule["labels"].items()},
        }
        for rule in found
    ]


def rules_by_api(site: Site) -> list[Json]:
    """Describe the rules by the names of Grafana's API, which has the same two fields the other way round."""
    return _keeping(site, _KEEPS_FIRING, "keep_firing_for", "missingSeriesEvalsToResolve")


def _keeping(site: Site, since: Release, keep_firing: str, missing: str) -> list[Json]:
    if site.release < since:
        return rules(site)
    kept = {
        keep_firing: _whole_evaluations(site.alert_rules.timing.least_firing_ms),
        missing: MISSING_EVALUATIONS,
    }
    return [{**rule, **kept} for rule in rules(site)]
