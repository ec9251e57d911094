"""Where Grafana's alerts go: receivers, the route of Pulssi's alerts, and the times in which they are muted.

Unless `alerts.toml` says `notifier = "grafana"`, the route is always muted: the deliverer of hooks sends messages
about the same objectives. Secrets are variables of Grafana's environment, and never here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dashboards.grafana_definitions.alerts import KEEPS_STATE, SERVICE
from dashboards.grafana_definitions.mute_timings import TIMING_PREFIX, mute_timing, timing_name
from dashboards.grafana_definitions.site import Json, Receiver, Site
from schemas.alert_rules import Maintenance

#: One contact point with all receivers.
CONTACT_POINT: Final = "pulssi-webhook"
MUTED: Final = f"{TIMING_PREFIX}hooks notify"

#: Of each receiver but a webhook: the setting for its address, and the environment variable of Grafana that holds it.
VARIABLES: Final[dict[Receiver, tuple[str, str]]] = {
    "slack": ("url", "GRAFANA_SLACK_URL"),
    "teams": ("url", "GRAFANA_TEAMS_URL"),
    "email": ("addresses", "GRAFANA_ALERT_ADDRESSES"),
}


def receivers(site: Site) -> list[Json]:
    """Describe who gets the alerts; secrets are `$NAME`, which Grafana's files take from its environment.

    A Grafana that cannot keep a state sends no resolutions: it would send false ones while ClickHouse does not answer.
    """
    return [
        {
            "uid": f"pulssi-{kind}",
            "type": kind,
            "settings": _settings(site, kind),
            "disableResolveMessage": site.release < KEEPS_STATE,
        }
        for kind in site.receivers
    ]


def _settings(site: Site, kind: Receiver) -> Json:
    if kind == "webhook":
        return {"url": site.webhook_url, "httpMethod": "POST"}
    setting, variable = VARIABLES[kind]
    return {setting: f"${variable}"}


def notifies(site: Site) -> bool:
    """Tell whether Grafana is to notify."""
    return site.alert_rules.notifier == "grafana"


def _kept(site: Site) -> list[Maintenance]:
    """Give the maintenance that Grafana's alerts know: of objectives, of Pulssi itself, or of anything."""
    return [each for each in site.alert_rules.maintenance if each.kind in {None, "objective", "pipeline"}]


def mute_timings(site: Site) -> list[Json]:
    """Describe the times in which alerts are muted."""
    always: Json = {"name": MUTED, "time_intervals": [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]}
    return [always, *(mute_timing(each, site.today) for each in _kept(site))]


#: A condition on a label: its name, `=` or `!=`, and a value.
_Condition = tuple[str, str, str]
#: By the kind of an alert: only the rule for the age of the figures has no policy.
_KINDS: Final[dict[str, _Condition]] = {"objective": ("policy", "!=", ""), "pipeline": ("policy", "=", "")}


def _conditions(maintenance: Maintenance) -> frozenset[_Condition]:
    of = (
        ("policy", maintenance.rule),
        ("channel", maintenance.dimensions.channel),
        ("queue", maintenance.dimensions.queue),
    )
    found = {(name, "=", value) for name, value in of if value is not None}
    return frozenset(found | ({_KINDS[maintenance.kind]} if maintenance.kind in _KINDS else set()))


def _implies(given: frozenset[_Condition], others: frozenset[_Condition]) -> bool:
    """Tell whether whatever meets the given conditions meets the others."""
    equal = {name: value for name, of, value in given if of == "="}
    return all(one in given or (one[1] == "!=" and equal.get(one[0], one[2]) != one[2]) for one in others)


def _can_hold(conditions: frozenset[_Condition]) -> bool:
    """Tell whether an alert can meet all conditions."""
    equal = {(name, value) for name, of, value in conditions if of == "="}
    differing = {(name, value) for name, of, value in conditions if of == "!="}
    return len(dict(equal)) == len(equal) and not equal & differing


def _child_routes(site: Site) -> Iterator[Json]:
    """Describe a route for each set of conditions under which other times hold, those with most conditions first.

    An alert takes the first route that matches. So there is a route for the conditions of several maintenances together
    as well, and each has the times of all whose conditions it implies.
    """
    kept = [(_conditions(each), timing_name(each)) for each in _kept(site)]
    together: set[frozenset[_Condition]] = set()
    for conditions, _ in kept:
        together |= {conditions} | {former | conditions for former in together if _can_hold(former | conditions)}
    for conditions in sorted(together, key=lambda each: (-len(each), sorted(each))):
        if conditions and _can_hold(conditions):
            yield {
                "receiver": CONTACT_POINT,
                "object_matchers": [list(one) for one in sorted(conditions)],
                "mute_time_intervals": sorted(name for of, name in kept if _implies(conditions, of)),
            }


def route(site: Site) -> Json:
    """Describe how alerts are grouped, into one message for each queue, and when no message is sent."""
    general = sorted(timing_name(each) for each in _kept(site) if not _conditions(each))
    muted = general if notifies(site) else [MUTED]
    children = list(_child_routes(site)) if notifies(site) else []
    return {
        "receiver": CONTACT_POINT,
        "object_matchers": [["service", "=", SERVICE]],
        "group_by": ["alertname", "channel", "queue"],
        "group_wait": "10s",
        "group_interval": "1m",
        "repeat_interval": "4h",
        **({"mute_time_intervals": muted} if muted else {}),
        **({"routes": children} if children else {}),
    }
