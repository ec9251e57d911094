"""Panels as Grafana wants them: how a number, a table and a line look here, once for all dashboards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from dashboards.grafana_definitions.site import DATA_SOURCE, Json

#: The data source's `format` of an answer.
_TIME_SERIES: Final = 0
_TABLE: Final = 1

#: Units by what Grafana calls them: hours, minutes and seconds; a share; a count.
CLOCK: Final = "dthms"
SHARE: Final = "percentunit"
COUNT: Final = "short"


class Place(NamedTuple):
    """Where a panel stands on the grid of 24 columns."""

    x: int
    y: int
    w: int
    h: int


class Limits(NamedTuple):
    """Colours by value: `base`, and from each limit on the colour beside it."""

    base: str
    steps: tuple[tuple[float, str], ...] = ()

    def to_json(self) -> Json:
        """Write them as Grafana's thresholds."""
        first: Json = {"color": self.base, "value": None}
        return {"mode": "absolute", "steps": [first, *({"color": c, "value": v} for v, c in self.steps)]}


#: What is not known is neither good nor bad. (Matching NaN as well would match names, which are no numbers.)
_NOTHING: Final[Json] = {
    "type": "special",
    "options": {"match": "null", "result": {"text": "-", "color": "text", "index": 0}},
}

#: Nothing good or bad about it.
PLAIN: Final = Limits("text")
#: A service level: green from the usual objective on.
LEVEL: Final = Limits("red", ((0.7, "orange"), (0.8, "green")))


def _target(sql: str, form: int) -> Json:
    return {
        "refId": "A",
        "datasource": DATA_SOURCE,
        "editorType": "sql",
        "queryType": "table" if form == _TABLE else "timeseries",
        "format": form,
        "rawSql": sql,
    }


def _panel(
    kind: str,
    title: str,
    sql: str,
    place: Place,
    form: int,
    defaults: Json,
    options: Json,
    overrides: Sequence[Json] = (),
    **more: object,
) -> Json:
    """Put a panel together; `defaults` and `overrides` are of its fields."""
    return {
        "type": kind,
        "title": title,
        "description": "",  # the dashboard's to give
        "datasource": DATA_SOURCE,
        "gridPos": place._asdict(),
        "targets": [_target(sql, form)],
        **more,
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "options": options,
    }


def stat(title: str, sql: str, place: Place, *, unit: str = COUNT, limits: Limits = PLAIN) -> Json:
    """A number a row of the answer, named by its text column."""
    defaults = {
        "unit": unit,
        "decimals": 1 if unit == SHARE else 0,
        "color": {"mode": "thresholds"},
        "thresholds": limits.to_json(),
        "mappings": [_NOTHING],
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
    return _panel("stat", title, sql, place, _TABLE, defaults, options)


class Column(NamedTuple):
    """How a table shows one of its columns."""

    name: str
    unit: str = COUNT
    limits: Limits | None = None
    width: int | None = None
    title: str | None = None


def _column(column: Column) -> Json:
    properties: list[Json] = [{"id": "unit", "value": column.unit}]
    if column.title is not None:
        properties.append({"id": "displayName", "value": column.title})
    if column.unit == SHARE:
        properties.append({"id": "decimals", "value": 1})
    if column.width is not None:
        properties.append({"id": "custom.width", "value": column.width})
    if column.limits is not None:
        properties += [
            {"id": "thresholds", "value": column.limits.to_json()},
            # The same for Grafana up to 9.3 and from then on.
            {"id": "custom.displayMode", "value": "color-text"},
            {"id": "custom.cellOptions", "value": {"type": "color-text"}},
        ]
    return {"matcher": {"id": "byName", "options": column.name}, "properties": properties}


def table(title: str, sql: str, place: Place, columns: Sequence[Column]) -> Json:
    """A table; columns that are not described are shown as they come."""
    defaults = {
        "color": {"mode": "thresholds"},
        "thresholds": PLAIN.to_json(),
        "decimals": 0,
        "noValue": "-",
        "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "minWidth": 60},
    }
    options = {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}}
    return _panel("table", title, sql, place, _TABLE, defaults, options, [_column(column) for column in columns])


def lines(
    title: str,
    sql: str,
    place: Place,
    *,
    unit: str = COUNT,
    interval: str = "1m",
    name: str | None = None,
    style: Mapping[str, object] | None = None,
    bounds: tuple[float, float] | None = None,
    limits: Limits | None = None,
    colours: Mapping[str, str] | None = None,
) -> Json:
    """Lines over time: one a number column, or, where `name` names a text column, one a value of that column.

    `interval` is the shortest step. `style` overrides Grafana's own settings of a line.
    """
    defaults: Json = {
        "unit": unit,
        "min": 0,
        "color": {"mode": "palette-classic"},
        "thresholds": (limits or PLAIN).to_json(),
        "custom": {
            "drawStyle": "line",
            "lineWidth": 2,
            "fillOpacity": 8,
            "pointSize": 4,
            "showPoints": "never",
            "spanNulls": False,
            "thresholdsStyle": {"mode": "dashed" if limits else "off"},
            **(style or {}),
        },
    }
    if bounds is not None:
        defaults["min"], defaults["max"] = bounds
    if name is not None:
        defaults["displayName"] = f"${{__field.labels.{name}}}"
    overrides = [
        {
            "matcher": {"id": "byName", "options": column},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for column, colour in (colours or {}).items()
    ]
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return _panel("timeseries", title, sql, place, _TIME_SERIES, defaults, options, overrides, interval=interval)


def bars(title: str, sql: str, place: Place) -> Json:
    """Horizontal bars: one a row of the answer, named by its text column."""
    defaults = {
        "unit": COUNT,
        "decimals": 0,
        "min": 0,
        "color": {"mode": "fixed", "fixedColor": "blue"},
        "thresholds": PLAIN.to_json(),
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
    return _panel("barchart", title, sql, place, _TABLE, defaults, options)


def repeated(panel: Json, variable: str, most: int) -> Json:
    """Show a panel once for each value of a variable, side by side up to `most` in a row."""
    return {**panel, "repeat": variable, "repeatDirection": "h", "maxPerRow": most}
