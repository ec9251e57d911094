"""The dashboard *SLA*: how each policy is kept, what was late, and the formulas by their names."""

from __future__ import annotations

from typing import Final
from zlib import crc32

from dashboards.grafana_definitions import objectives
from dashboards.grafana_definitions.layout import DATA_AS_OF, WIDTH, dashboard, row
from dashboards.grafana_definitions.links import LATE_OF_POLICY, TO_CONTACT
from dashboards.grafana_definitions.live_floor import (
    BURN_RATE,
    FIRING,
    POLICY,
    PRIORITY,
    QUEUE,
    QUEUE_OR_ALL,
    WINDOW,
    objectives_now,
)
from dashboards.grafana_definitions.panels import CLOCK, SHARE, column, lines, table
from dashboards.grafana_definitions.promises import percent
from dashboards.grafana_definitions.site import Json, Site
from schemas.policies import Policy

SLA_UID: Final = "pulssi-sla"


#: In pixels: of a name that is longer than its share of a laptop's screen.
_FORMULA_WIDTHS: Final = {"excluding_abandoned_within": 232}


def attained_title(policy: str) -> str:
    """Name the panel of a policy."""
    return f"Attained · {policy}"


def _panel_id(policy: Policy) -> int:
    """Number the panel of a policy, whatever policies stand before it: its rule names it, and stays as it is."""
    return 1_000 + crc32(policy.name.encode()) % 1_000_000


def sla(site: Site) -> Json:
    """Describe the dashboard: a graph for each policy of the configuration, its objective drawn in it."""
    formulas = ("short_excluded", "answered_only", "offered", "abandons_met", "excluding_abandoned_within")
    attained = [
        {"id": _panel_id(policy)}
        | lines(
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
    pairs = [attained[first : first + 2] for first in range(0, len(attained), 2)]
    late = table(
        "Late now, the longest first",
        "Contacts without a first response whose target has passed. Beyond: since when. Where figures are old: at "
        "their time.",
        objectives.LATE_NOW,
        (
            column("contact_id", title="Contact", links=[TO_CONTACT], width=240),
            *QUEUE,
            PRIORITY,
            POLICY,
            column("Beyond", CLOCK),
            column("Waits", CLOCK),
        ),
        empty="Nobody waits beyond a target",
    )
    burn_rates = table(
        "Burn rates by window, the fastest first",
        "Over every window that the SLA engine judges, of open time: the policy's own, and those of the burn rates in "
        "`alerts.toml`. Burn rate: 1 uses up the allowed late contacts exactly by the end of the window, 2 twice as "
        "fast. Alerts of burn rates are the engine's alone: `pulssi alerts list` and hooks have them.",
        objectives.BURN_RATES,
        (POLICY, *QUEUE_OR_ALL, WINDOW, BURN_RATE, column("Level", SHARE), column("Objective", SHARE)),
        empty="No objective is judged yet",
    )
    breaches = table(
        "Late in the range, by policy",
        "What was held against a target in the range and came later. Worst beyond: how far the worst was beyond its "
        "target, by the policy's clock in force at that time. Samples do not say by which clock they were "
        "judged. After a change of `clock` or `pauses` without `valid_from`, Worst beyond reads older samples by the "
        "new clock, and is empty where none is late by it. Late and Share late stay as they were judged.",
        objectives.breaches_by_policy(site),
        (
            POLICY,
            column("sample", title="Of"),
            *QUEUE,
            column("Late", links=[LATE_OF_POLICY]),
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
        (*QUEUE, *(column(name, SHARE, width=_FORMULA_WIDTHS.get(name)) for name in formulas)),
    )
    return dashboard(
        site,
        SLA_UID,
        "SLA",
        "How the policies are kept: attainment, burn rates and breaches.",
        [
            row(6, (4, DATA_AS_OF), (20, FIRING)),
            row(11, (24, objectives_now(site))),
            *(row(9, *((WIDTH // len(two), panel) for panel in two)) for two in pairs),
            row(9, (24, late)),
            row(9, (24, breaches)),
            row(9, (24, burn_rates)),
            row(9, (24, by_formula)),
        ],
        ("channel", "queue", "priority", "team"),
        refresh="30s",
    )
