"""The definitions into a running Grafana by its API, for one that Pulssi shares with others.

What is not Pulssi's stays: other routes of the notification policy, other folders, other contact points. Pushing twice
changes nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from grafana_client.client import GrafanaClientError

from dashboards.grafana_definitions.alerts import CONTACT_POINT, EVERY_S, GROUP, SERVICE, receiver, route, rules
from dashboards.grafana_definitions.live_floor import live_floor
from dashboards.grafana_definitions.site import DATA_SOURCE_UID, FOLDER, FOLDER_UID, Json, Site, data_source_of
from schemas.policies import DEFAULT_POLICIES

_NOT_FOUND: Final = 404

#: Tells Pulssi's alerts from others in a shared policy tree.
_MATCHERS: Final = [["service", "=", SERVICE]]


#: A `grafana_client.GrafanaApi`, which carries no types of its own.
Grafana = Any


def _is_there(get: Any, *arguments: str) -> bool:  # noqa: ANN401 - a method of an untyped library
    try:
        get(*arguments)
    except GrafanaClientError as error:
        if error.status_code == _NOT_FOUND:
            return False
        raise
    return True


def _push_data_source(api: Grafana, site: Site, password: str | None) -> None:
    described = data_source_of(site)
    if password is not None:
        described["secureJsonData"] = {"password": password}
    if _is_there(api.datasource.get_datasource_by_uid, DATA_SOURCE_UID):
        api.datasource.update_datasource_by_uid(DATA_SOURCE_UID, described)
    else:
        api.datasource.create_datasource(described)


def _push_contact_point(api: Grafana, site: Site) -> None:
    described = {"name": CONTACT_POINT, **receiver(site)}
    present = api.alertingprovisioning.get_contactpoints()
    if any(point["uid"] == CONTACT_POINT for point in present):
        api.alertingprovisioning.update_contactpoint(CONTACT_POINT, described)
    else:
        api.alertingprovisioning.create_contactpoint(described)


def merged(tree: Json) -> Json:
    """Put Pulssi's route first in a policy tree, in place of an earlier one of its own; all else stays."""
    own = {**route(), "object_matchers": _MATCHERS, "continue": False}
    others = [child for child in tree.get("routes") or [] if child.get("object_matchers") != _MATCHERS]
    return {**tree, "routes": [own, *others]}


def _push_rules(api: Grafana, described: Sequence[Json]) -> None:
    """One by one, as writing a group makes no rule that names its own identifier; then the group for its interval."""
    alerting = api.alertingprovisioning
    placed = [{**rule, "orgID": 1, "folderUID": FOLDER_UID, "ruleGroup": GROUP} for rule in described]
    # Asked for as a list: some versions answer for one that is missing as if they had failed.
    present = {rule["uid"] for rule in alerting.get_alertrules_all()}
    for rule in placed:
        if rule["uid"] in present:
            alerting.update_alertrule(rule["uid"], rule)
        else:
            alerting.create_alertrule(rule)
    group = {"title": GROUP, "folderUid": FOLDER_UID, "interval": EVERY_S, "rules": placed}
    # A rule whose policy is gone leaves with this: the group is what is given.
    alerting.update_rule_group(FOLDER_UID, GROUP, group)


def push(api: Grafana, site: Site, password: str | None = None) -> list[str]:
    """Bring a running Grafana to the definitions and tell what was brought.

    `password` is the reader's in ClickHouse; None leaves the one that Grafana has. Raises what `grafana_client` raises.
    """
    _push_data_source(api, site, password)
    if not _is_there(api.folder.get_folder, FOLDER_UID):
        api.folder.create_folder(FOLDER, FOLDER_UID)
    described = live_floor()
    described.pop("version")  # Grafana counts its own
    api.dashboard.update_dashboard({"dashboard": described, "folderUid": FOLDER_UID, "overwrite": True})
    _push_contact_point(api, site)
    api.alertingprovisioning.set_notification_policy_tree(
        merged(api.alertingprovisioning.get_notification_policy_tree())
    )
    described_rules = rules(site, DEFAULT_POLICIES)
    _push_rules(api, described_rules)
    return [
        f"data source {DATA_SOURCE_UID}",
        f"dashboard {described['title']}",
        f"contact point {CONTACT_POINT}",
        "notification policy",
        *(f"rule {rule['title']}" for rule in described_rules),
    ]
