"""The configuration files as tables for people, written from the models: nothing is to be said that they do not say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from schemas.configuration.files import TOPICS

_HEAD: Final = """\
# Configuration

<!-- Written by `make schemas` from schemas/configuration/files.py; change it there. -->

A folder, named by `--config` or `PULSSI_CONFIG`, with a TOML file for each topic; any may be missing. `pulssi init`
writes them with every key as a comment, `pulssi check-config` names every fault at once. Durations are text: `"20s"`,
`"10m"`, `"1h30m"`, `"2d"`. Hours are `"08:00-12:00"`; `"22:00-06:00"` ends on the next day, `"00:00-24:00"` is the
whole day. A calendar is open whenever the clock on the wall shows a time of its hours.
"""


def page() -> str:
    """Write the page."""
    parts = [_HEAD]
    for topic, model in TOPICS.items():
        what = (model.__doc__ or "").partition(": ")[2].strip()
        parts.append(f"\n## {topic}.toml\n\n{what[:1].upper()}{what[1:]}\n")
        parts.append("\n| key | values | default | meaning |\n| --- | --- | --- | --- |\n")
        parts.extend(_rows(model.model_json_schema()))
    return "".join(parts)


def _rows(schema: dict[str, Any]) -> Iterator[str]:
    """Give a row for each key, those of tables and lists of tables with dots."""
    yield from _of(schema, schema.get("$defs", {}), "", "")


def _of(section: dict[str, Any], parts: dict[str, Any], before: str, meaning: str) -> Iterator[str]:
    """Give the rows of a table; its own meaning is that of keys that tell none."""
    required = section.get("required", [])
    for key, given in section["properties"].items():
        of = _inner(given)
        name = f"{before}{key}"
        item = _inner(of.get("items", {}))
        if "$ref" in of:
            yield from _of(parts[of["$ref"].rpartition("/")[2]], parts, f"{name}.", given.get("description", ""))
        elif "$ref" in item:
            yield from _of(parts[item["$ref"].rpartition("/")[2]], parts, f"[[{name}]] ", "")
        else:
            default = "required" if key in required else _default(given)
            yield f"| `{name}` | {_values(of)} | {default} | {given.get('description', meaning)} |\n"


def _inner(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave out that a key may be missing."""
    options: list[dict[str, Any]] = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    return options[0]


def _default(schema: dict[str, Any]) -> str:
    default = schema.get("default")
    return "" if default in (None, [], {}) else f"`{default}`"


def _values(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f'`"{value}"`' for value in schema["enum"])
    if schema.get("format") in {"date", "date-time"}:
        return "a day, or a time" if schema["format"] == "date-time" else "a day"
    if schema["type"] == "array":
        return f"a list: {_values(_inner(schema['items']))}"
    if schema["type"] == "object":
        return "a table: day = hours"
    if "examples" in schema:
        return "a duration"
    if "pattern" in schema:
        return "hours"
    return {"number": "above 0, up to 1", "integer": "a whole number", "string": "text"}[schema["type"]]
