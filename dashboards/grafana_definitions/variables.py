"""What a viewer chooses: channel, queue, priority, team, tag, the time zone of steps, and one contact."""

# ruff: noqa: S608 - these queries are written to files: nothing that a user types goes in here

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dashboards.grafana_definitions.pieces import TEAM, among_chosen, quote
from dashboards.grafana_definitions.site import DATA_SOURCE, Json, Site

_RECENT: Final = "pane_start >= now() - INTERVAL 7 DAY"


def _distinct(column: str, view: str = "panes", *, in_channels: bool = False) -> str:
    also = f"\n  AND {among_chosen('channel')}" if in_channels else ""
    return f"SELECT DISTINCT {column} FROM {view}\nWHERE {_RECENT}{also}\nORDER BY {column}"


#: Variables that ask: label and question.
_ASKED: Final = {
    "channel": ("Channel", _distinct("channel")),
    "queue": ("Queue", _distinct("queue", in_channels=True)),
    "priority": ("Priority", _distinct("priority")),
    "team": ("Team", _distinct(TEAM)),
    "tag": ("Tag", _distinct("tag", "tag_panes", in_channels=True)),
}

#: Variables with a number: label, choices and default.
_NUMBERS: Final = {
    "weeks": ("Weeks", ("4", "6", "8", "10", "13"), "8"),
    "shrinkage": ("Shrinkage", ("0", "0.1", "0.15", "0.2", "0.25", "0.3", "0.35", "0.4", "0.5"), "0.3"),
    "occupancy": ("Maximum occupancy", ("0.7", "0.75", "0.8", "0.85", "0.9", "0.95", "1"), "0.85"),
}

#: Samples that lead to contacts.
_SAMPLES: Final = (
    *("offered", "first_response", "abandoned", "handle", "resolution", "reopened", "transferred", "slow", "rated"),
    *("tagged", "queue_wait", "next_response"),
)
_SEVERAL: Final = {
    "multi": True,
    "includeAll": True,
    "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
}
#: What is chosen where nothing is left out.
ANY: Final = "any"


def variable(name: str, site: Site) -> Json:
    """Describe a variable by its name."""
    if name in _ASKED:
        return {**_query(name, *_ASKED[name]), **_SEVERAL}
    if name in _NUMBERS:
        return _custom(name, *_NUMBERS[name])
    if name == "by":
        return _custom("by", "Lines by", ("channel", "queue"))
    if name == "sample":
        return _custom("sample", "Contacts by", _SAMPLES)
    if name == "policy":
        # Asked, as a comma or a colon in a name would mean something in a list of choices.
        names = ", ".join(quote(each) for each in (ANY, *(policy.name for policy in site.policies())))
        one = {"multi": False, "includeAll": False, "current": {"selected": True, "text": ANY, "value": ANY}}
        return {**_query(name, "Policy", f"SELECT arrayJoin([{names}]) AS policy"), **one}
    if name == "target":
        return _custom(name, "Target", (ANY, "in time", "late"))
    if name == "contact":
        empty = {"text": "", "value": ""}
        return {"type": "textbox", "name": name, "label": "Contact", "query": "", "current": empty, "hide": 0}
    zones = dict.fromkeys((site.rules.time_zone, *site.rules.queue_zones.values(), "UTC"))
    return _custom("tz", "Time zone", tuple(zones))


def _query(name: str, label: str, sql: str) -> Json:
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATA_SOURCE,
        "query": {"rawSql": sql, "editorType": "sql", "refId": name},
        "definition": sql,
        "options": [],
        "refresh": 1,  # with the page: at each refresh it would start every panel, and each repeated one, again
        "sort": 0,
        "hide": 0,
    }


def _custom(name: str, label: str, choices: Sequence[str], current: str | None = None) -> Json:
    current = choices[0] if current is None else current
    options = [{"selected": choice == current, "text": choice, "value": choice} for choice in choices]
    return {
        "type": "custom",
        "name": name,
        "label": label,
        "query": ",".join(choice.replace(",", "\\,") for choice in choices),
        "multi": False,
        "includeAll": False,
        "current": options[choices.index(current)],
        "options": options,
        "hide": 0,
    }
