"""Writes the contracts down for others: JSON Schemas of events, settings and configuration, and tables for people.

`python -m deploy.contract_files` writes what differs, and names it. The models are the source: nothing here is to be
said that they do not say.
"""

import json
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from deploy.source_page import source_page
from schemas.alerts import VERSION as HOOK_VERSION
from schemas.configuration.fields import SPAN_PATTERN
from schemas.configuration.file_models import FILES
from schemas.configuration.hook_models import PRIVATE_PATTERN
from schemas.configuration.mapping_file import MappingFile
from schemas.events import CONTACT_EVENT, MODELS, VERSION, AgentStatus, UnknownAgentEvent, UnknownEvent
from schemas.hooks import HOOK
from schemas.metric_definitions import ALL, WORKER_STEP_LATENCY, MetricDefinition
from schemas.samples import MEANINGS, NAMES
from schemas.settings import FILE, PREFIX, Settings
from schemas.user_input import DURATION_PATTERN

ROOT: Final = Path(__file__).resolve().parent.parent

_VERSION_OF_FILES: Final = 1

#: What texts of these patterns are called.
_PATTERN_NAMES: Final = {
    SPAN_PATTERN: "hours",
    DURATION_PATTERN: "a duration",
    PRIVATE_PATTERN: "name:port network",
}

_SETTINGS: Final = f"""\
# Settings

<!-- Written by `make schemas` from schemas/settings.py; change it there. -->

Each setting comes from the environment or from `{FILE}` in the folder that `{PREFIX}CONFIG` names; the
environment wins. All faults are reported at once, each with the setting and where it was set,
and a command that cannot use its settings exits with 2. Nothing needs to be set for `pulssi up`.

| in `{FILE}` | in the environment | values | default | meaning |
| --- | --- | --- | --- | --- |
%s
`{PREFIX}CONFIG` (the folder of `{FILE}`) and `{PREFIX}DATA` (the folder of an `up`) are read from the
environment only. A secret belongs into the environment, such as the password in the URL of ClickHouse, or into the file
that a setting ending in `_file` names; such a path is absolute, or begins where the part is started.
"""

_CONFIGURATION: Final = """\
# Configuration

<!-- Written by `make schemas` from schemas/configuration/file_models.py; change it there. -->

A folder, named by `--config` or `PULSSI_CONFIG`, with a TOML file for each subject; any may be missing. `pulssi init`
writes them with every key as a comment, `pulssi check-config` names every fault at once. Durations are text: `"20s"`,
`"10m"`, `"1h30m"`, `"2d"`. Hours are `"08:00-12:00"`; `"22:00-06:00"` ends on the next day, `"00:00-24:00"` is the
whole day. Hours are local wall-clock time; when clocks go back, the repeated hour counts twice. A file has at most
1,048,576 characters, a key or header at most 100 parts.

A part is stopped by a fault only where it needs the file. A worker needs `centre.toml`, `calendars.toml`,
`queues.toml`, `policies.toml` and `taxonomy.toml`; the SLA engine these and `alerts.toml`; the wallboard and
`pulssi up` these and `boards.toml`; the deliverer `hooks.toml` alone; gateway and follower `sources.toml` alone.
"""

_PROMETHEUS: Final = f"""\
# Metrics for Prometheus

<!-- Written by `make schemas` from schemas/metric_definitions.py; change it there. -->

Each part answers `/metrics` on its [port](runbooks/README.md#health-and-metrics-of-each-part); the embedded ClickHouse
on that of its HTTP interface. What contact centres measure is not here but in [ClickHouse](views.md). Counters begin at
0 again when their part restarts, the worker's when it opens a partition, as `rate()` expects. The 99th percentile of a
histogram over the last five minutes, here of the worker's steps, is:

    histogram_quantile(0.99, sum by (le) (rate({WORKER_STEP_LATENCY.name}_bucket[5m])))

A histogram takes one value a batch, insert or message. Freshness is that of a batch's first record, the oldest as a
rule, by the time that its Kafka record carries: the batch's other events are fresher. Records that carry the time of
long ago, as a producer may set it, are that old here.
"""


_SAMPLES: Final = """\
# Events and samples by name

<!-- Written by `make schemas` from schemas/events.py and schemas/samples.py; change it there. -->

What a source can tell, and what Pulssi measures of it. [events.md](events.md) says how events are sent,
[views.md](views.md#samples) what else a sample has, [glossary.md](glossary.md) what the words mean.

## Events

| type | meaning |
| --- | --- |
%s
## Samples

A sample counts one. Durations are in `value_ms`, counts and scores (in millionths, from 0 to 1) in `value`.

| sample | what makes it; what its value is |
| --- | --- |
%s"""


class _SchemaWithoutTitles(GenerateJsonSchema):
    """Leaves out titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401 - pydantic's own signature
        """Never set it."""
        del schema
        return False


def generated_files() -> dict[str, str]:
    """Give each generated file's path below the root, with its text."""
    schemas = [
        ("contact-event", VERSION, "An event of a contact", _contact_event()),
        ("agent-status", VERSION, "An event of an agent", _agent_status()),
        ("hook", HOOK_VERSION, "What a webhook is sent", _hook()),
        ("settings", _VERSION_OF_FILES, f"Pulssi's {FILE}", _schema(Settings)),
        *((name, _VERSION_OF_FILES, f"Pulssi's {name}.toml", _schema(model)) for name, model in FILES.items()),
        ("mapping", _VERSION_OF_FILES, "A mapping file", _schema(MappingFile)),
    ]
    return {
        **{f"schemas/json/{schema[0]}.schema.json": _with_header(*schema) for schema in schemas},
        "docs/settings.md": _settings_page(),
        "docs/configuration.md": _configuration_page(),
        "docs/prometheus.md": _prometheus_page(),
        "docs/samples.md": _samples_page(),
        "docs/sources/README.md": source_page(),
    }


def _with_header(name: str, version: int, title: str, schema: dict[str, Any]) -> str:
    dialect = "https://json-schema.org/draft/2020-12/schema"
    head = {"$schema": dialect, "$id": f"urn:pulssi:{name}:{version}", "title": title}
    return json.dumps(head | schema | {"title": title}, indent=2, ensure_ascii=False) + "\n"


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(schema_generator=_SchemaWithoutTitles)
    for given in schema["properties"].values():
        if "description" in given:
            given["description"] = given["description"].replace("\n", " ")  # lines of a docstring
    return schema


def _contact_event() -> dict[str, Any]:
    schema = CONTACT_EVENT.json_schema(schema_generator=_SchemaWithoutTitles)
    schema["$defs"]["UnknownEvent"] = _unknown_type(UnknownEvent, MODELS.keys() - {"agent.status"})
    schema["oneOf"].append({"$ref": "#/$defs/UnknownEvent"})
    # Tools that follow a discriminator would refuse the types that it does not list, which are valid.
    schema.pop("discriminator", None)
    return schema


def _agent_status() -> dict[str, Any]:
    parts = {
        "AgentStatus": _schema(AgentStatus),
        "UnknownAgentEvent": _unknown_type(UnknownAgentEvent, {"agent.status"}),
    }
    return {"$defs": parts, "oneOf": [{"$ref": f"#/$defs/{name}"} for name in parts]}


def _hook() -> dict[str, Any]:
    parts = HOOK.json_schema(schema_generator=_SchemaWithoutTitles)
    return {"$defs": parts["$defs"], "oneOf": parts["anyOf"]}


def _unknown_type(model: type[BaseModel], types: set[str]) -> dict[str, Any]:
    """Give the schema of events of types other than these, whose optional fields may be anything."""
    schema = _schema(model)
    schema["properties"] = {name: schema["properties"][name] for name in schema["required"]}
    schema["properties"]["type"]["not"] = {"enum": sorted(types)}
    return schema


def _settings_page() -> str:
    rows = [
        f"| `{name}` | `{PREFIX}{name.upper()}` | {_values(given)} | {_default(given)} | {given['description']} |\n"
        for name, given in _schema(Settings)["properties"].items()
    ]
    return _SETTINGS % "".join(rows)


def _configuration_page() -> str:
    parts = [_CONFIGURATION]
    for name, model in FILES.items():
        what = (model.__doc__ or "").partition(": ")[2].strip()
        parts.append(f"\n## {name}.toml\n\n{what[:1].upper()}{what[1:]}\n")
        parts.append("\n| key | values | default | meaning |\n| --- | --- | --- | --- |\n")
        schema = model.model_json_schema()
        parts.extend(_rows(schema, schema.get("$defs", {})))
    return "".join(parts)


def _prometheus_page() -> str:
    parts = [_PROMETHEUS]
    for part, metrics in groupby(ALL, lambda metric: metric.part):
        parts.append(f"\n## {part}\n\n| metric | kind | unit | labels | meaning |\n| --- | --- | --- | --- | --- |\n")
        parts.extend(
            f"| `{metric.name}` | {_kind(metric)} | {metric.unit} | {', '.join(metric.labels)} | {metric.help} |\n"
            for metric in metrics
        )
    return "".join(parts)


def _samples_page() -> str:
    events = [(kind, " ".join((model.__doc__ or "").split())) for kind, model in MODELS.items()]
    parts = (events, [(name, MEANINGS[name]) for name in NAMES])
    return _SAMPLES % tuple("".join(f"| `{name}` | {meaning} |\n" for name, meaning in part) for part in parts)


def _kind(metric: MetricDefinition) -> str:
    return f"{metric.kind}, {metric.buckets[0]:,} to {metric.buckets[-1]:,}" if metric.buckets else metric.kind


def _rows(section: dict[str, Any], parts: dict[str, Any], before: str = "", meaning: str = "") -> Iterator[str]:
    """Give a row for each key of a table, those of tables and lists of tables in it with dots.

    The table's own meaning is that of keys that tell none.
    """
    for key, given in section["properties"].items():
        of = _without_null(given)
        name = f"{before}{key}"
        item = _without_null(of.get("items", {}))
        if "$ref" in of:
            yield from _rows(parts[of["$ref"].rpartition("/")[2]], parts, f"{name}.", given.get("description", ""))
        elif "$ref" in item:
            yield from _rows(parts[item["$ref"].rpartition("/")[2]], parts, f"[[{name}]] ")
        else:
            default = "required" if key in section.get("required", []) else _default(given)
            values = _values(of, quote='"')
            yield f"| `{name}` | {values} | {default} | {given.get('description', meaning)} |\n"


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave out that a key may be missing; of a day or a time, which stands last, the time stands for both."""
    options: list[dict[str, Any]] = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    return options[-1]


def _default(schema: dict[str, Any]) -> str:
    """Write a default as it stands in the file; nothing for an empty one."""
    default = schema.get("default")
    if default in (None, "", [], {}):
        return ""
    return f"`{json.dumps(default) if isinstance(default, bool | list) else default}`"


def _values(schema: dict[str, Any], quote: str = "") -> str:
    if "enum" in schema:
        return ", ".join(f"`{quote}{value}{quote}`" for value in schema["enum"])
    if schema.get("format") in {"date", "date-time"}:
        return "a day, or a time" if schema["format"] == "date-time" else "a day"
    if schema["type"] == "array":
        return f"a list: {_values(_without_null(schema['items']), quote)}"
    if "maximum" in schema and schema["type"] == "integer":
        return f"{schema['minimum']} to {schema['maximum']}"
    if schema.get("pattern") in _PATTERN_NAMES:
        return _PATTERN_NAMES[schema["pattern"]]
    if schema["type"] == "number":
        return {1: "above 0, up to 1"}.get(schema.get("maximum", 0), "a number")
    if schema["type"] == "object":
        return "a table: day = hours" if schema["additionalProperties"]["type"] == "array" else "a table: name = text"
    return {
        "boolean": "`true`, `false`",
        "integer": "a whole number",
        "string": "text",
    }[schema["type"]]


def outdated_files(root: Path = ROOT) -> dict[str, str]:
    """Give the generated files that are missing or differ from the models, with the text that they should have."""
    return {
        path: text
        for path, text in generated_files().items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    }


def main(root: Path = ROOT) -> None:
    """Write the files that are not as they should be."""
    for name, text in outdated_files(root).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{name} written\n")


if __name__ == "__main__":
    main()
