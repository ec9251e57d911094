"""Reads from a Compose file what a process needs of a service: its command, its environment, what it waits for.

Of the Compose specification it knows what our file uses: merge keys, which YAML itself resolves, and `${NAME:-text}`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]  # no stubs for it among the locked dependencies

COMPOSE_FILE: Final = Path(__file__).resolve().parent.parent / "compose" / "compose.yaml"
#: `$$` is a dollar sign.
_VARIABLE: Final = re.compile(r"\$(?:(\$)|\{(\w+)(?::-([^}]*))?\})")


@dataclass(frozen=True)
class Service:
    """One service. `profiles`: it runs only where one of them is asked for; none: always."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    depends_on: tuple[str, ...]
    profiles: frozenset[str]
    entrypoint: tuple[str, ...] = ()


def interpolated(value: Any, variables: Mapping[str, str]) -> Any:  # noqa: ANN401 - what YAML holds
    """Put variables, or their defaults, into every text. Raises KeyError for one that has neither."""
    if isinstance(value, dict):
        return {name: interpolated(each, variables) for name, each in value.items()}
    if isinstance(value, list):
        return [interpolated(each, variables) for each in value]
    if not isinstance(value, str):
        return value

    def text_of(found: re.Match[str]) -> str:
        dollar, name, default = found.groups()
        if dollar:
            return "$"
        return variables.get(name) or default if default is not None else variables[name]

    return _VARIABLE.sub(text_of, value)


def read_document(variables: Mapping[str, str], path: Path = COMPOSE_FILE) -> dict[str, Any]:
    """Read the whole file with its variables put in."""
    document: dict[str, Any] = interpolated(yaml.safe_load(path.read_text(encoding="utf-8")), variables)
    return document


def read_services(variables: Mapping[str, str], path: Path = COMPOSE_FILE) -> dict[str, Service]:
    """Read the services by their names."""
    return {
        name: Service(
            name,
            each["image"],
            tuple(map(str, each.get("command", ()))),
            {key: str(value) for key, value in each.get("environment", {}).items()},
            tuple(each.get("depends_on", ())),
            frozenset(each.get("profiles", ())),
            tuple(each.get("entrypoint", ())),
        )
        for name, each in read_document(variables, path)["services"].items()
    }
