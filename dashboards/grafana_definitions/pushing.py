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
_OWN_MATCHERS: Final = [["service", "=", SERVICE]]


#: A `grafana_client.GrafanaApi`, which carries no types of its own.
Grafana = Any


def _exists(get: Any, *arguments: str) -> bool:  # noqa: ANN401 - a method of an untyped library
    try:
        get(*arguments)
    except GrafanaClientError as error:
        if error.status_code == _NOT_FOUND:
            return False
        raise
    return True


def _push_data_source(api: Grafana, site: Site, password: str | None) -> None:
    definition = data_source_of(site)
    if password is not None:
        definition["secureJsonData"] = {"password": password}
    if _exists(api.datasource.get_datasource_by_uid, DATA_SOURCE_UID):
        api.datasource.update_datasource_by_uid(DATA_SOURCE_UID, definition)
    else:
        api.datasource.create_datasource(definition)


def _push_contact_point(api: Grafana, site: Site) -> None:
    definition = {"name": CONTACT_POINT, **receiver(site)}
    existing = api.alertingprovisioning.get_contactpoints()
    if any(point["uid"] == CONTACT_POINT for point in existing):
        api.alertingprovisioning.update_contactpoint(CONTACT_POINT, definition)
    else:
        api.alertingprovisioning.create_contactpoint(definition)


def with_own_route(tree: Json) -> Json:
    """Put Pulssi's route first in a policy tree, in place of an earlier one of its own; all else stays."""
    own = {**route(), "object_matchers": _OWN_MATCHERS, "continue": False}
    others = [child for child in tree.get("routes") or [] if child.get("object_matchers") != _OWN_MATCHERS]
    return {**tree, "routes": [own, *others]}


def _push_rules(api: Grafana, definitions: Sequence[Json]) -> None:
    """One by one, as writing a group makes no rule that names its own identifier; then the group for its interval."""
    alerting = api.alertingprovisioning
    in_folder = [{**rule, "orgID": 1, "folderUID": FOLDER_UID, "ruleGroup": GROUP} for rule in definitions]
    # Asked for as a list: some versions answer for one that is missing as if they had failed.
    existing = {rule["uid"] for rule in alerting.get_alertrules_all()}
    for rule in in_folder:
        if rule["uid"] in existing:
            alerting.update_alertrule(rule["uid"], rule)
        else:
            alerting.create_alertrule(rule)
    group = {"title": GROUP, "folderUid": FOLDER_UID, "interval": EVERY_S, "rules": in_folder}
    # This also deletes rules without a policy: the group then has exactly these rules.
    alerting.update_rule_group(FOLDER_UID, GROUP, group)


def push(api: Grafana, site: Site, password: str | None = None) -> list[str]:
    """Bring a running Grafana to the definitions and tell what was brought.

    `password` is the reader's in ClickHouse; None leaves the one that Grafana has. Raises what `grafana_client` raises.
    """
    _push_data_source(api, site, password)
    if not _exists(api.folder.get_folder, FOLDER_UID):
        api.folder.create_folder(FOLDER, FOLDER_UID)
    definition = live_floor()
    definition.pop("version")  # Grafana counts its own
    api.dashboard.update_dashboard({"dashboard": definition, "folderUid": FOLDER_UID, "overwrite": True})
    _push_contact_point(api, site)
    api.alertingprovisioning.set_notification_policy_tree(
        with_own_route(api.alertingprovisioning.get_notification_policy_tree())
    )
    rule_definitions = rules(site, DEFAULT_POLICIES)
    _push_rules(api, rule_definitions)
    return [
        f"data source {DATA_SOURCE_UID}",
        f"dashboard {definition['title']}",
        f"contact point {CONTACT_POINT}",
        "notification policy",
        *(f"rule {rule['title']}" for rule in rule_definitions),
    ]
