"""The dashboard *SLA*: how each policy is kept, what was late, and the formulas by their names."""

from __future__ import annotations

from typing import Final

from dashboards.grafana_definitions import objectives
from dashboards.grafana_definitions.layout import DATA_AS_OF, dashboard, row
from dashboards.grafana_definitions.links import TO_CONTACT, contacts_of_row
from dashboards.grafana_definitions.live_floor import CHANNEL, FIRING, OBJECTIVES, POLICY, PRIORITY, QUEUE
from dashboards.grafana_definitions.panels import CLOCK, SHARE, column, lines, table
from dashboards.grafana_definitions.promises import percent
from dashboards.grafana_definitions.site import Json, Site

SLA_UID: Final = "pulssi-sla"


def attained_title(policy: str) -> str:
    """Name the panel of a policy."""
    return f"Attained · {policy}"


def sla(site: Site) -> Json:
    """Describe the dashboard: a graph for each policy of the configuration, its objective drawn in it."""
    formulas = ("short_excluded", "answered_only", "offered", "abandons_met", "excluding_abandoned_within")
    attained = [
        lines(
            attained_title(policy.name),
            f"The level of {policy.name} ({policy.metric.replace('_', ' ')}, formula {policy.formula}) in its "
            f"window, as the "
            f"SLA engine judged it; the dashed line is its objective, {percent(policy.objective)}. The last of each "
            f"five "
            "minutes in which it changed; the eight worst queues of the range.",
            objectives.attained_over_time(site, policy),
            unit=SHARE,
            step="5m",
            name="line",
            limit=policy.objective,
            style={"lineInterpolation": "stepAfter", "spanNulls": True},
        )
        for policy in site.policies()
    ]
    late = table(
        "Late now, the longest first",
        "Contacts without a first response whose target has passed. Beyond: since when. Where figures are old: at "
        "their time.",
        objectives.LATE_NOW,
        (
            column("contact_id", title="Contact", links=[TO_CONTACT]),
            *QUEUE,
            PRIORITY,
            POLICY,
            column("Beyond", CLOCK),
            column("Waits", CLOCK),
        ),
    )
    breaches = table(
        "Late in the range, by policy",
        "What was held against a target in the range and came later. Worst beyond: how far the worst was beyond its "
        "target.",
        objectives.breaches_by_policy(site),
        (
            POLICY,
            column("sample", title="Of"),
            *QUEUE,
            column("Late", links=[contacts_of_row("${__data.fields.sample:percentencode}")]),
            column("Share late", SHARE),
            column("Worst beyond", CLOCK),
        ),
    )
    by_formula = table(
        "Service level by formula and queue, the worst first",
        "short_excluded: within / (answered + abandoned - short). answered_only: within / answered. offered: within / "
        "(answered + abandoned). abandons_met: abandonments within the target count as met. "
        "excluding_abandoned_within: "
        "they are left out.",
        objectives.FORMULAS_BY_QUEUE,
        (CHANNEL, QUEUE[1], *(column(name, SHARE) for name in formulas)),
    )
    halves = [*attained, late] if len(attained) % 2 else [*attained, late, by_formula]
    return dashboard(
        site,
        SLA_UID,
        "SLA",
        "How the policies are kept: attainment, burn rates and breaches.",
        [
            row(6, (4, DATA_AS_OF), (20, FIRING)),
            row(11, (24, OBJECTIVES)),
            *(row(9, *((12, panel) for panel in halves[first : first + 2])) for first in range(0, len(halves), 2)),
            row(9, (24, breaches)),
            *([row(9, (24, by_formula))] if by_formula not in halves else []),
        ],
        ("channel", "queue", "priority", "team"),
        refresh="30s",
    )
