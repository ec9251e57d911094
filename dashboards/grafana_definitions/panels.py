"""Panels as Grafana wants them: how a number, a table and a line look here, once for all dashboards.

Where a panel stands is the dashboard's to say. Counts are shown whole: no unit that rounds thousands away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from dashboards.grafana_definitions.site import DATA_SOURCE, Json

#: Units by what Grafana calls them: hours, minutes and seconds; a share; a count with its thousands apart.
CLOCK: Final = "dthms"
SHARE: Final = "percentunit"
COUNT: Final = "locale"
#: A number that is no count, such as a mean of counts.
NUMBER: Final = "none"
#: A time in milliseconds since 1970, with its year first: no reader takes the month for the day.
TIME: Final = "time:YYYY-MM-DD HH:mm:ss"
#: The same, as how long ago that is.
AGO: Final = "dateTimeFromNow"
#: A length of time on an axis, whose steps are round numbers of it: seconds by the clock would stand at 00:01:40.
SECONDS: Final = "suffix:s"
MINUTES: Final = "suffix:min"
HOURS: Final = "suffix:h"
#: How many seconds each is.
LENGTHS: Final = {SECONDS: 1, MINUTES: 60, HOURS: 3_600}

_DECIMALS: Final = {CLOCK: 0, SHARE: 1, COUNT: 0, NUMBER: 1, TIME: 0, AGO: 0, SECONDS: 0, MINUTES: 1, HOURS: 1}
#: What is shown where nothing is known.
_NOTHING: Final = "-"
#: In pixels: a time as it is shown here, and a head of two words.
_TIME_WIDTH: Final = 172
_HEAD_WIDTH: Final = 88

#: Invisible, and no number: Grafana draws gaps at the number that `noValue` is, and takes spaces for 0.
_UNSEEN: Final = "\u200b"

#: A link from a value: its title and address.
Link = tuple[str, str]


def thresholds(base: str, *steps: tuple[float, str]) -> Json:
    """Grafana's thresholds: the colour `base`, and for each (limit, colour) that colour from the limit on."""
    return {"mode": "absolute", "steps": [{"color": colour, "value": at} for at, colour in ((None, base), *steps)]}


#: What is not known is neither good nor bad. (Matching NaN as well would match names, which are no numbers.)
_NULL_MAPPING: Final[Json] = {
    "type": "special",
    "options": {"match": "null", "result": {"text": _NOTHING, "color": "text", "index": 0}},
}

#: Nothing good or bad about it.
PLAIN: Final = thresholds("text")
#: Points above or below an objective.
DIFFERENCE: Final = thresholds("red", (0, "green"))


def _panel(
    kind: str,
    title: str,
    description: str,
    sql: str | None,
    defaults: Json,
    options: Json,
    overrides: Sequence[Json] = (),
    **more: object,
) -> Json:
    """Put a panel together; `defaults` and `overrides` are of its fields."""
    over_time = kind == "timeseries"
    target = {
        "refId": "A",
        "datasource": DATA_SOURCE,
        "editorType": "sql",
        "queryType": "timeseries" if over_time else "table",
        "format": 0 if over_time else 1,
        "rawSql": sql,
    }
    asked: Json = {"datasource": DATA_SOURCE, "targets": [target]} if sql is not None else {}
    return {
        "type": kind,
        "title": title,
        "description": description,
        **asked,
        **more,
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "options": options,
    }


def links_of(links: Sequence[Link]) -> list[Json]:
    """Write links as Grafana has them."""
    return [{"title": title, "url": url, "targetBlank": False} for title, url in links]


def stat(title: str, description: str, sql: str, *, unit: str = COUNT, colours: Json = PLAIN) -> Json:
    """A number a row of the answer, named by its text column."""
    defaults = {
        "unit": unit,
        "decimals": _DECIMALS[unit],
        "color": {"mode": "thresholds"},
        "thresholds": colours,
        "mappings": [_NULL_MAPPING],
        "noValue": _NOTHING,
    }
    options = {
        "reduceOptions": {"values": True, "calcs": ["lastNotNull"], "fields": ""},
        "orientation": "horizontal",
        "textMode": "value_and_name",
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "text": {"titleSize": 14, "valueSize": 22},
    }
    return _panel("stat", title, description, sql, defaults, options)


def column(
    name: str,
    unit: str | None = None,
    *,
    decimals: int | None = None,
    colours: Json | None = None,
    width: int | None = None,
    title: str | None = None,
    links: Sequence[Link] = (),
    bar: bool = False,
    hidden: bool = False,
) -> Json:
    """How a table shows one of its columns; `bar` draws its share of the largest."""
    properties: Json = {}
    if unit is not None:
        properties |= {"unit": unit, "decimals": _DECIMALS[unit] if decimals is None else decimals}
    if title is not None:
        properties["displayName"] = title
    if width is not None or unit == TIME:
        properties["custom.width"] = width or _TIME_WIDTH
    if links:
        # Grafana puts what is a link to the left, numbers too: their head stands above them.
        properties |= {"links": links_of(links), "custom.align": "left"}
    elif unit is not None:
        properties["custom.align"] = "right"  # without any value Grafana takes the column for text
    if hidden:
        properties["custom.hidden"] = True
    # Each pair means the same: one for Grafana up to 9.3, one for later releases.
    if bar:
        cells = {"custom.displayMode": "basic", "custom.cellOptions": {"type": "gauge", "mode": "basic"}}
        properties |= {"min": 0, **cells}
    if colours is not None:
        cells = {"custom.displayMode": "color-text", "custom.cellOptions": {"type": "color-text"}}
        properties |= {"thresholds": colours, **cells}
    return override(name, properties)


def override(name: str, properties: Json) -> Json:
    """Change how one field is shown."""
    changes = [{"id": key, "value": value} for key, value in properties.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": changes}


#: Where there is no row, and where there is no point.
EMPTY: Final = "Nothing in this range"


def _each_field(nothing: str) -> Json:
    """What stands for a value that is missing, and at a step of an axis that has no label, where others are there."""
    return {"matcher": {"id": "byRegexp", "options": ".*"}, "properties": [{"id": "noValue", "value": nothing}]}


def table(
    title: str,
    description: str,
    sql: str,
    columns: Sequence[Json] = (),
    *,
    unit: str = COUNT,
    decimals: int | None = None,
    heat: bool = False,
    empty: str = EMPTY,
) -> Json:
    """A table; columns that are not described are shown by `unit`. `heat` colours every cell by its number.

    `empty` is shown where there is no row.
    """
    cell = {"type": "color-background", "mode": "basic"} if heat else {"type": "auto"}
    former_cell = {"displayMode": "color-background-solid"} if heat else {}
    defaults = {
        "unit": unit,
        "decimals": _DECIMALS[unit] if decimals is None else decimals,
        "color": {"mode": "continuous-blues"} if heat else {"mode": "thresholds"},
        "thresholds": PLAIN,
        "noValue": empty,
        "custom": {"align": "auto", "cellOptions": cell, **former_cell, "minWidth": 44 if heat else _HEAD_WIDTH},
    }
    options = {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}}
    return _panel("table", title, description, sql, defaults, options, [_each_field(_NOTHING), *columns])


def lines(
    title: str,
    description: str,
    sql: str,
    *,
    unit: str = COUNT,
    step: str = "1m",
    name: str | None = None,
    style: Mapping[str, object] | None = None,
    limit: float | None = None,
    colours: Mapping[str, str] | None = None,
    hidden: Sequence[str] = (),
    links: Mapping[str, Link] | None = None,
) -> Json:
    """Lines over time: one a number column, or, where `name` names a text column, one a value of that column.

    `step` is the shortest one. `style` overrides Grafana's own settings of a line. `limit` is drawn: green from it on.
    What is missing in an answer's column is a gap. `links` are of columns, by their names.
    """
    defaults: Json = {
        "unit": unit,
        "decimals": _DECIMALS[unit],
        "min": 0,
        "color": {"mode": "palette-classic"},
        "thresholds": PLAIN if limit is None else thresholds("red", (limit, "green")),
        "noValue": EMPTY,
        "custom": {
            "drawStyle": "line",
            "lineWidth": 2,
            "fillOpacity": 8,
            "pointSize": 4,
            "showPoints": "auto",
            "spanNulls": False,
            "thresholdsStyle": {"mode": "off" if limit is None else "dashed"},
            **(style or {}),
        },
    }
    if unit == SHARE:
        defaults["max"] = 1
    if name is not None:
        defaults["displayName"] = f"${{__field.labels.{name}}}"
    nowhere = {"custom.hideFrom": {"viz": True, "legend": True, "tooltip": True}}
    overrides = [
        _each_field(_UNSEEN),
        *(
            override(column, {"color": {"mode": "fixed", "fixedColor": colour}})
            for column, colour in (colours or {}).items()
        ),
        *(override(column, nowhere) for column in hidden),
        *(override(column, {"links": links_of([link])}) for column, link in (links or {}).items()),
    ]
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return _panel("timeseries", title, description, sql, defaults, options, overrides, interval=step)


def heat_map(title: str, description: str, sql: str, *, step: str) -> Json:
    """A heat map: a number column a class, named by its upper bound."""
    defaults = {"unit": COUNT, "decimals": 0, "custom": {"hideFrom": {"viz": False, "legend": False, "tooltip": False}}}
    options = {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Blues", "steps": 32, "reverse": False, "fill": "dark-blue"},
        "rowsFrame": {"layout": "auto"},
        "yAxis": {"axisPlacement": "left", "reverse": False},
        "legend": {"show": False},
        "tooltip": {"show": True, "yHistogram": False},
        "showValue": "never",
    }
    return _panel("heatmap", title, description, sql, defaults, options, interval=step)


def alert_list(title: str, description: str, label: str) -> Json:
    """Grafana's own alerts with a label, as `{name="value"}`: those that fire, and those that are about to."""
    shown = {"firing": True, "pending": True, "error": True, "noData": True, "normal": False, "recovering": True}
    options = {
        "viewMode": "list",
        "groupMode": "default",
        "groupBy": [],
        "maxItems": 20,
        "sortOrder": 3,
        "dashboardAlerts": False,
        "alertName": "",
        "alertInstanceLabelFilter": label,
        "stateFilter": shown,
        "showInstances": True,
    }
    return _panel("alertlist", title, description, None, {}, options)
