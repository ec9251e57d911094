"""Writes the contracts down for others: JSON Schemas of events, settings and configuration, and tables of both.

`python -m schemas.generate` writes; with `--check` it only compares, names what differs and exits 1. The models are the
source: nothing here is to be said that they do not say.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from schemas.configuration.files import TOPICS
from schemas.configuration.table import page
from schemas.events import CONTACT_EVENT, MODELS, VERSION, AgentStatus, UnknownAgentEvent, UnknownEvent
from schemas.settings import FILE, PREFIX, Settings

ROOT: Final = Path(__file__).resolve().parent.parent

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_VERSION_OF_SETTINGS: Final = 1
_VERSION_OF_CONFIGURATION: Final = 1


class _Plain(GenerateJsonSchema):
    """Leaves out titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401 - pydantic's own signature
        """Never set it."""
        del schema
        return False


def files() -> dict[str, str]:
    """Give each generated file's path below the root, with its text."""
    return {
        "schemas/json/contact-event.schema.json": _json(_contact_event()),
        "schemas/json/agent-status.schema.json": _json(_agent_status()),
        "schemas/json/settings.schema.json": _json(_settings()),
        **{f"schemas/json/{topic}.schema.json": _json(_topic(topic)) for topic in TOPICS},
        "docs/settings.md": _table(),
        "docs/configuration.md": page(),
    }


def _headed(schema: dict[str, Any], name: str, version: int, title: str) -> dict[str, Any]:
    return {
        "$schema": _DIALECT,
        "$id": f"urn:pulssi:{name}:{version}",
        "title": title,
        **{key: value for key, value in schema.items() if key != "title"},
    }


def _contact_event() -> dict[str, Any]:
    schema = CONTACT_EVENT.json_schema(schema_generator=_Plain)
    unknown = UnknownEvent.model_json_schema(schema_generator=_Plain)
    schema["$defs"]["UnknownEvent"] = _of_no_type(unknown, [kind for kind in MODELS if kind != "agent.status"])
    schema["oneOf"].append({"$ref": "#/$defs/UnknownEvent"})
    # Tools that follow a discriminator would refuse the types that it does not list, which are valid.
    schema.pop("discriminator", None)
    return _headed(schema, "contact-event", VERSION, "An event of a contact")


def _agent_status() -> dict[str, Any]:
    known = AgentStatus.model_json_schema(schema_generator=_Plain)
    unknown = UnknownAgentEvent.model_json_schema(schema_generator=_Plain)
    both = {
        "$defs": {"AgentStatus": known, "UnknownAgentEvent": _of_no_type(unknown, ["agent.status"])},
        "oneOf": [{"$ref": "#/$defs/AgentStatus"}, {"$ref": "#/$defs/UnknownAgentEvent"}],
    }
    return _headed(both, "agent-status", VERSION, "An event of an agent")


def _of_no_type(schema: dict[str, Any], types: list[str]) -> dict[str, Any]:
    """Narrow a schema to types other than these, whose optional fields may be anything."""
    schema["properties"] = {name: schema["properties"][name] for name in schema["required"]}
    schema["properties"]["type"]["not"] = {"enum": sorted(types)}
    return schema


def _settings() -> dict[str, Any]:
    return _headed(
        Settings.model_json_schema(schema_generator=_Plain), "settings", _VERSION_OF_SETTINGS, f"Pulssi's {FILE}"
    )


def _topic(topic: str) -> dict[str, Any]:
    """Give the schema of one configuration file."""
    schema = TOPICS[topic].model_json_schema(schema_generator=_Plain)
    return _headed(schema, topic, _VERSION_OF_CONFIGURATION, f"Pulssi's {topic}.toml")


def _json(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _table() -> str:
    properties = Settings.model_json_schema(schema_generator=_Plain)["properties"]
    rows = [
        f"| `{name}` | `{PREFIX}{name.upper()}` | {_allowed(of)} | {_default(of['default'])} | {of['description']} |"
        for name, of in properties.items()
    ]
    return "\n".join(
        (
            "# Settings",
            "",
            "<!-- Written by `make schemas` from schemas/settings.py; change it there. -->",
            "",
            f"Each setting comes from the environment or from `{FILE}` in the folder that `{PREFIX}CONFIG` names; the",
            "environment wins. All faults are reported at once, each with the setting and where it was set,",
            "and a command that cannot use its settings exits with 2. Nothing needs to be set for `pulssi up`.",
            "",
            f"| in `{FILE}` | in the environment | values | default | meaning |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
            f"`{PREFIX}CONFIG` (the folder of `{FILE}`) and `{PREFIX}DATA` (the folder of an `up`) are read from the",
            "environment only. A password belongs into the environment: into the URL of ClickHouse, before the host.",
            "",
        )
    )


def _default(value: object) -> str:
    """Write a default as it stands in the file; nothing for an empty text."""
    return f"`{json.dumps(value) if isinstance(value, bool) else value}`" if value != "" else ""


def _allowed(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema["type"] == "integer":
        return f"{schema['minimum']} to {schema['maximum']}"
    if schema["type"] == "boolean":
        return "`true`, `false`"
    return "text"


def differing(root: Path = ROOT) -> list[str]:
    """Name the generated files that are missing or differ from the models."""
    return [path for path, text in files().items() if not _holds(root / path, text)]


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Write the files, or compare them; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m schemas.generate", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 where a file differs")
    check = parser.parse_args(arguments).check
    names = differing(root)
    for name in names:
        if check:
            sys.stderr.write(f"{name} differs from the models: run `make schemas`\n")
            continue
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files()[name], encoding="utf-8")
        sys.stdout.write(f"{name} written\n")
    return 1 if check and names else 0


if __name__ == "__main__":
    sys.exit(main())
