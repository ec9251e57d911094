"""The provisioning folder: makes each file's text, writes it, and compares it with the disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple

import yaml  # type: ignore[import-untyped]  # no stubs for it among the locked dependencies

from dashboards.grafana_definitions.alerts import EVERY_S, GROUP, rules_in_files
from dashboards.grafana_definitions.catalogue import dashboards
from dashboards.grafana_definitions.routes import CONTACT_POINT, mute_timings, receivers, route
from dashboards.grafana_definitions.site import (
    ALERT_FOLDER,
    FOLDER,
    FOLDER_UID,
    READER_PASSWORD,
    Json,
    Site,
    data_source_of,
)

#: Where the generated files are in this package.
FOLDER_HERE: Final = Path(__file__).resolve().parent.parent / "grafana"

_DO_NOT_EDIT: Final = "# Written by `pulssi dashboards build` from dashboards/grafana_definitions: change those.\n"

#: Only in these folders does a file without a definition count as left over.
_GENERATED_FOLDERS: Final = ("datasources", "dashboards", "alerting")


class Drift(NamedTuple):
    """A file that is not as its definition says."""

    path: str
    problem: Literal["missing", "differs", "left over"]


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # as above
    """Texts of several lines as blocks: a change of a query reads as a change of a line. No anchors."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


_Dumper.add_representer(str, _Dumper.represent_str)


def _yaml(value: Json) -> str:
    text: str = yaml.dump({"apiVersion": 1, **value}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=200)
    return _DO_NOT_EDIT + text


def texts(site: Site) -> dict[str, str]:
    """Return the text of each file of the provisioning folder, by its path in it."""
    data_source = {**data_source_of(site), "editable": False, "secureJsonData": {"password": f"${READER_PASSWORD}"}}
    provider = {
        "name": "pulssi",
        "orgId": 1,
        "folder": FOLDER,
        "folderUid": FOLDER_UID,
        "type": "file",
        "disableDeletion": False,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 30,
        # Grafana's own variable: the same wherever the folder is put.
        "options": {"path": "$GF_PATHS_PROVISIONING/dashboards"},
    }
    group = {"name": GROUP, "folder": ALERT_FOLDER, "interval": f"{EVERY_S}s", "rules": rules_in_files(site)}
    point = {"name": CONTACT_POINT, "receivers": receivers(site)}
    # Of a Grafana of Pulssi's own: alerts of others go to the same contact point, and are not muted.
    root = {"receiver": CONTACT_POINT, "group_by": ["alertname"], "routes": [route(site)]}
    return {
        "datasources/pulssi.yaml": _yaml({"datasources": [data_source]}),
        "dashboards/pulssi.yaml": _yaml({"providers": [provider]}),
        **{
            f"dashboards/{one['uid'].removeprefix('pulssi-')}.json": json.dumps(one, indent=2, ensure_ascii=False)
            + "\n"
            for one in dashboards(site)
        },
        # Without these two folders Grafana logs errors at its start.
        "plugins/none.yaml": _yaml({"apps": []}),
        "notifiers/none.yaml": _yaml({"notifiers": []}),
        "alerting/rules.yaml": _yaml({"groups": [{"orgId": 1, **group}]}),
        "alerting/contact-points.yaml": _yaml({"contactPoints": [{"orgId": 1, **point}]}),
        "alerting/mute-timings.yaml": _yaml({"muteTimes": [{"orgId": 1, **one} for one in mute_timings(site)]}),
        "alerting/policies.yaml": _yaml({"policies": [{"orgId": 1, **root}]}),
    }


def drift(folder: Path, wanted: Mapping[str, str]) -> list[Drift]:
    """Compare a folder with what it should hold, in order of the paths."""
    ours = (path for own in _GENERATED_FOLDERS for path in (folder / own).rglob("*"))
    existing = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in {*ours, *(folder / path for path in wanted)}
        if path.is_file()
    }
    return [
        Drift(path, "left over" if path not in wanted else "differs" if path in existing else "missing")
        for path in sorted(existing.keys() | wanted.keys())
        if path not in wanted or existing.get(path) != wanted[path].encode()
    ]


def write(folder: Path, wanted: Mapping[str, str]) -> list[Drift]:
    """Make a folder hold what it should, and return what changed; files are removed only from this package."""
    changed = drift(folder, wanted)
    for path, problem in changed:
        file = folder / path
        if problem != "left over":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted[path], encoding="utf-8")
        elif folder == FOLDER_HERE:
            file.unlink()
    return changed
