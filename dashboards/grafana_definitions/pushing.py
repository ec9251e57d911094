"""Writes the definitions into a running Grafana by its API, for one that Pulssi shares with others.

What is not Pulssi's stays: other routes of the notification policy, other folders, other contact points. Only what
differs is written: Grafana restarts a rule that is written again, and reports each of its alerts as resolved.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args
from urllib.parse import quote

from grafana_client.client import GrafanaClientError, GrafanaException

from dashboards.grafana_definitions.alerts import EVERY_S, GROUP, SERVICE, rules_by_api
from dashboards.grafana_definitions.catalogue import dashboards
from dashboards.grafana_definitions.differences import has
from dashboards.grafana_definitions.mute_timings import TIMING_PREFIX, with_named_months
from dashboards.grafana_definitions.routes import CONTACT_POINT, mute_timings, receivers, route
from dashboards.grafana_definitions.site import (
    DATA_SOURCE_UID,
    FOLDER,
    FOLDER_UID,
    READER_PASSWORD,
    Json,
    Receiver,
    Release,
    Site,
    data_source_of,
)

_NOT_FOUND: Final = 404
#: Grafana's errors when it refuses to change something that was provisioned from files: a data source, a dashboard, and
#: alert rules and contact points. Some releases do not show beforehand that a rule is provisioned.
_OF_FILES: Final = re.compile("read-only data source|provisioned dashboard|provenance")

#: Match Pulssi's alerts alone, in a shared policy tree.
_OWN_MATCHERS: Final = [["service", "=", SERVICE]]

#: A `grafana_client.GrafanaApi`, which carries no types of its own.
Grafana = Any


class PushError(Exception):
    """A definition cannot be written; the text says why and what helps."""


def _found(get: Any, *arguments: str) -> Any:  # noqa: ANN401 - methods and answers of an untyped library
    """Ask for one thing; None where there is none."""
    try:
        return get(*arguments)
    except GrafanaClientError as error:
        if error.status_code == _NOT_FOUND:
            return None
        raise


def release_of(api: Grafana) -> Release | None:
    """Ask a Grafana for its release; None where it does not say."""
    found = re.match(r"(\d+)\.(\d+)", str((_found(api.health.check) or {}).get("version", "")))
    return None if found is None else (int(found[1]), int(found[2]))


class _Push:
    """One push, and what it has written."""

    def __init__(self, api: Grafana, site: Site) -> None:
        self._api = api
        self._site = site
        self.written: list[str] = []

    def write(self, name: str, call: Callable[..., object], *arguments: object) -> None:
        """Write one thing. Raises PushError where files made what is there."""
        try:
            call(*arguments)
        except GrafanaException as error:
            if _OF_FILES.search(str(error.message)) is None:
                raise
            raise PushError(
                f"{name} was made by files and cannot be changed from here: change them by `pulssi dashboards build`, "
                "or remove them and restart Grafana"
            ) from None
        self.written.append(name)

    def data_source(self, password: str | None) -> None:
        definition, name = data_source_of(self._site), f"data source {DATA_SOURCE_UID}"
        sources = self._api.datasource
        theirs = _found(sources.get_datasource_by_uid, DATA_SOURCE_UID)
        needs_password = password is not None and not ((theirs or {}).get("secureJsonFields") or {}).get("password")
        if theirs is not None and has(theirs, definition) and not needs_password:
            return
        if password is not None:
            definition["secureJsonData"] = {"password": password}
        if theirs is None:
            self.write(name, sources.create_datasource, definition)
        else:
            self.write(name, sources.update_datasource_by_uid, DATA_SOURCE_UID, definition)

    def folder(self) -> None:
        if _found(self._api.folder.get_folder, FOLDER_UID) is None:
            self.write(f"folder {FOLDER}", self._api.folder.create_folder, FOLDER, FOLDER_UID)

    def dashboard(self, definition: Json) -> None:
        definition = {key: value for key, value in definition.items() if key != "version"}  # Grafana counts its own
        theirs = _found(self._api.dashboard.get_dashboard, definition["uid"]) or {}
        folder = (theirs.get("meta") or {}).get("folderUid", FOLDER_UID)
        if has(theirs.get("dashboard"), definition) and folder == FOLDER_UID:
            return
        brought = {"dashboard": definition, "folderUid": FOLDER_UID, "overwrite": True}
        self.write(f"dashboard {definition['title']}", self._api.dashboard.update_dashboard, brought)

    def contact_point(self, environment: Mapping[str, str]) -> None:
        alerting = self._api.alertingprovisioning
        theirs = {point.get("uid"): point for point in alerting.get_contactpoints() or []}
        for receiver in receivers(self._site):
            settings = {key: _filled(value, environment) for key, value in receiver["settings"].items()}
            definition = {"name": CONTACT_POINT, **receiver, "settings": settings}
            name, uid = f"contact point {receiver['type']}", receiver["uid"]
            if uid not in theirs:
                self.write(name, alerting.create_contactpoint, definition)
            elif not has(theirs[uid], definition):
                self.write(name, alerting.update_contactpoint, uid, definition)

    def mute_timings(self) -> None:
        alerting = self._api.alertingprovisioning
        theirs = {timing.get("name"): timing for timing in alerting.get_mute_timings() or []}
        for timing in mute_timings(self._site):
            name = timing["name"]
            if name not in theirs:
                self.write(f"mute timing {name}", alerting.create_mute_timing, timing)
            elif not has(with_named_months(theirs[name]), timing):
                self.write(f"mute timing {name}", alerting.update_mute_timing, quote(name, safe=""), timing)

    def policy(self) -> None:
        alerting = self._api.alertingprovisioning
        tree = alerting.get_notification_policy_tree()
        wanted = with_own_route(tree, self._site)
        before, after = tree.get("routes") or [], wanted["routes"]
        ours = _without_empty(after[0])
        if len(before) == len(after) and _without_empty(before[0]) == ours and before[1:] == after[1:]:
            return
        self.write("notification policy", alerting.set_notification_policy_tree, wanted)

    def remove_former(self) -> None:
        """Remove Pulssi's receivers and mute timings that are not configured any more; no route names them now."""
        alerting = self._api.alertingprovisioning
        wanted = {receiver["uid"] for receiver in receivers(self._site)}
        ours = {f"pulssi-{kind}" for kind in get_args(Receiver)}
        for point in alerting.get_contactpoints() or []:
            if point.get("uid") in ours - wanted:
                self.write(f"without contact point {point['type']}", alerting.delete_contactpoint, point["uid"])
        kept = {timing["name"] for timing in mute_timings(self._site)}
        for timing in alerting.get_mute_timings() or []:
            name = str(timing.get("name"))
            if name.startswith(TIMING_PREFIX) and name not in kept:
                self.write(f"without mute timing {name}", alerting.delete_mute_timing, quote(name, safe=""))

    def rules(self) -> None:
        """Write each rule, as a written group makes no rule with a given identifier; then the group, if it differs."""
        alerting = self._api.alertingprovisioning
        in_group = [
            {**rule, "orgID": 1, "folderUID": FOLDER_UID, "ruleGroup": GROUP} for rule in rules_by_api(self._site)
        ]
        # Asked for as a list: some versions answer with a failure where a single rule is missing.
        theirs = {rule["uid"]: rule for rule in alerting.get_alertrules_all() or []}
        for rule in in_group:
            uid, name = rule["uid"], f"rule {rule['title']}"
            if uid not in theirs:
                self.write(name, alerting.create_alertrule, rule)
            elif not has(theirs[uid], rule):
                self.write(name, alerting.update_alertrule, uid, rule)
        group = _found(alerting.get_rule_group, FOLDER_UID, GROUP) or {}
        uids = {rule["uid"] for rule in group.get("rules") or []}
        if uids != {rule["uid"] for rule in in_group} or group.get("interval") != EVERY_S:
            wanted = {"title": GROUP, "folderUid": FOLDER_UID, "interval": EVERY_S, "rules": in_group}
            # This also deletes rules without a policy: the group then has exactly these rules.
            self.write("rules' group", alerting.update_rule_group, FOLDER_UID, GROUP, wanted)


def _filled(value: Any, environment: Mapping[str, str]) -> Any:  # noqa: ANN401 - a setting of any kind
    """Replace `$NAME` by that variable of the environment: Grafana itself does so only in files."""
    if not isinstance(value, str) or not value.startswith("$"):
        return value
    if not environment.get(value[1:]):
        raise PushError(f"set {value[1:]}: the receiver needs it")
    return environment[value[1:]]


def _without_empty(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Leave out of a route what Grafana leaves out."""
    if isinstance(value, dict):
        return {key: _without_empty(one) for key, one in value.items() if one not in (None, False, "", [], {})}
    return [_without_empty(one) for one in value] if isinstance(value, list) else value


def with_own_route(tree: Json, site: Site) -> Json:
    """Put Pulssi's route first in a policy tree, in place of an earlier one of its own; all else stays."""
    others = [child for child in tree.get("routes") or [] if child.get("object_matchers") != _OWN_MATCHERS]
    return {**tree, "routes": [{**route(site), "continue": False}, *others]}


def push(api: Grafana, site: Site, environment: Mapping[str, str]) -> list[str]:
    """Write the definitions into a running Grafana and return what was written: nothing where nothing differs.

    `environment` has the reader's password, which is sent where Grafana has none yet, and the receivers' secrets.
    Raises PushError, and what `grafana_client` raises.
    """
    site = site._replace(release=release_of(api) or site.release)
    one = _Push(api, site)
    one.data_source(environment.get(READER_PASSWORD))
    one.folder()
    for definition in dashboards(site):
        one.dashboard(definition)
    one.contact_point(environment)
    one.mute_timings()
    one.policy()
    one.remove_former()
    one.rules()
    return one.written
