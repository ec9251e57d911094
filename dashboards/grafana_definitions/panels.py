"""Panels as Grafana wants them: how a number, a table and a line look here, once for all dashboards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from dashboards.grafana_definitions.site import DATA_SOURCE, Json

#: Units by what Grafana calls them: hours, minutes and seconds; a share; a count.
CLOCK: Final = "dthms"
SHARE: Final = "percentunit"
COUNT: Final = "short"


#: Where a panel is on the grid of 24 columns: x, y, width, height.
GridPosition = tuple[int, int, int, int]


def thresholds(base: str, *steps: tuple[float, str]) -> Json:
    """Grafana's thresholds: the colour `base`, and for each (limit, colour) that colour from the limit on."""
    return {"mode": "absolute", "steps": [{"color": colour, "value": at} for at, colour in ((None, base), *steps)]}


#: What is not known is neither good nor bad. (Matching NaN as well would match names, which are no numbers.)
_NULL_MAPPING: Final[Json] = {
    "type": "special",
    "options": {"match": "null", "result": {"text": "-", "color": "text", "index": 0}},
}

#: Nothing good or bad about it.
PLAIN: Final = thresholds("text")
#: A service level: green from the usual objective on.
LEVEL: Final = thresholds("red", (0.7, "orange"), (0.8, "green"))


def _panel(
    kind: str,
    title: str,
    sql: str,
    position: GridPosition,
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
    return {
        "type": kind,
        "title": title,
        "description": "",  # the dashboard's to give
        "datasource": DATA_SOURCE,
        "gridPos": dict(zip("xywh", position, strict=True)),
        "targets": [target],
        **more,
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "options": options,
    }


def stat(title: str, sql: str, position: GridPosition, *, unit: str = COUNT, colours: Json = PLAIN) -> Json:
    """A number a row of the answer, named by its text column."""
    defaults = {
        "unit": unit,
        "decimals": 1 if unit == SHARE else 0,
        "color": {"mode": "thresholds"},
        "thresholds": colours,
        "mappings": [_NULL_MAPPING],
        "noValue": "-",
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
    return _panel("stat", title, sql, position, defaults, options)


def column(
    name: str, unit: str = COUNT, *, colours: Json | None = None, width: int | None = None, title: str | None = None
) -> Json:
    """How a table shows one of its columns."""
    properties: Json = {"unit": unit}
    if title is not None:
        properties["displayName"] = title
    if unit == SHARE:
        properties["decimals"] = 1
    if width is not None:
        properties["custom.width"] = width
    if colours is not None:
        # The last two are the same, for Grafana up to 9.3 and from then on.
        cells = {"custom.displayMode": "color-text", "custom.cellOptions": {"type": "color-text"}}
        properties |= {"thresholds": colours, **cells}
    return _override(name, properties)


def _override(name: str, properties: Json) -> Json:
    changes = [{"id": key, "value": value} for key, value in properties.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": changes}


def table(title: str, sql: str, position: GridPosition, columns: Sequence[Json]) -> Json:
    """A table; columns that are not described are shown as they come."""
    defaults = {
        "color": {"mode": "thresholds"},
        "thresholds": PLAIN,
        "decimals": 0,
        "noValue": "-",
        "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "minWidth": 60},
    }
    options = {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}}
    return _panel("table", title, sql, position, defaults, options, columns)


def lines(
    title: str,
    sql: str,
    position: GridPosition,
    *,
    unit: str = COUNT,
    step: str = "1m",
    name: str | None = None,
    style: Mapping[str, object] | None = None,
    threshold: Json | None = None,
    colours: Mapping[str, str] | None = None,
) -> Json:
    """Lines over time: one a number column, or, where `name` names a text column, one a value of that column.

    `step` is the shortest one. `style` overrides Grafana's own settings of a line.
    """
    defaults: Json = {
        "unit": unit,
        "min": 0,
        "color": {"mode": "palette-classic"},
        "thresholds": threshold or PLAIN,
        "custom": {
            "drawStyle": "line",
            "lineWidth": 2,
            "fillOpacity": 8,
            "pointSize": 4,
            "showPoints": "never",
            "spanNulls": False,
            "thresholdsStyle": {"mode": "dashed" if threshold else "off"},
            **(style or {}),
        },
    }
    if unit == SHARE:
        defaults["max"] = 1
    if name is not None:
        defaults["displayName"] = f"${{__field.labels.{name}}}"
    overrides = [
        _override(column, {"color": {"mode": "fixed", "fixedColor": colour}})
        for column, colour in (colours or {}).items()
    ]
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return _panel("timeseries", title, sql, position, defaults, options, overrides, interval=step)


def bars(title: str, sql: str, position: GridPosition) -> Json:
    """Horizontal bars: one a row of the answer, named by its text column."""
    defaults = {
        "unit": COUNT,
        "decimals": 0,
        "min": 0,
        "color": {"mode": "fixed", "fixedColor": "blue"},
        "thresholds": PLAIN,
        "custom": {"fillOpacity": 70, "lineWidth": 0},
    }
    options = {
        "orientation": "horizontal",
        "showValue": "always",
        "barWidth": 0.8,
        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
        "text": {"valueSize": 12},
    }
    return _panel("barchart", title, sql, position, defaults, options)
