"""The part of JSON Schema that the generated schemas use: enough to hold samples against them.

A keyword that is not known here is an error, so that a schema never seems to allow what it forbids.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

_SAYING_NOTHING: Final = frozenset({"$schema", "$id", "$defs", "title", "description", "default", "examples", "format"})

_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = MappingProxyType(
    {
        "string": lambda value: isinstance(value, str),
        "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
        "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
        "boolean": lambda value: isinstance(value, bool),
        "array": lambda value: isinstance(value, list),
        "object": lambda value: isinstance(value, dict),
        "null": lambda value: value is None,
    }
)

#: Keywords that look at a value by itself: what they ask, and of which type of value.
_BOUNDS: Final[Mapping[str, tuple[type | tuple[type, ...], Callable[[Any, Any], bool]]]] = MappingProxyType(
    {
        "type": (object, lambda value, name: _TYPES[name](value)),
        "const": (object, lambda value, only: bool(value == only)),
        "enum": (object, lambda value, allowed: value in allowed),
        "minLength": (str, lambda value, least: len(value) >= least),
        "maxLength": (str, lambda value, most: len(value) <= most),
        "pattern": (str, lambda value, pattern: re.search(pattern, value) is not None),
        "minItems": (list, lambda value, least: len(value) >= least),
        "maxItems": (list, lambda value, most: len(value) <= most),
        "maxProperties": (dict, lambda value, most: len(value) <= most),
        "required": (dict, lambda value, names: all(name in value for name in names)),
        "minimum": ((int, float), lambda value, least: value >= least),
        "maximum": ((int, float), lambda value, most: value <= most),
        "exclusiveMinimum": ((int, float), lambda value, least: value > least),
    }
)


def conforms(schema: Any, value: Any, root: Any = None) -> bool:  # noqa: ANN401 - JSON
    """Tell whether a value is what a schema allows."""
    root = schema if root is None else root
    return all(_holds(keyword, asked, schema, value, root) for keyword, asked in schema.items())


def _holds(keyword: str, asked: Any, schema: Any, value: Any, root: Any) -> bool:  # noqa: ANN401 - JSON
    if keyword in _BOUNDS:
        of, holds = _BOUNDS[keyword]
        return not isinstance(value, of) or holds(value, asked)
    match keyword:
        case "$ref":
            return conforms(root["$defs"][asked.removeprefix("#/$defs/")], value, root)
        case "oneOf":
            return sum(conforms(one, value, root) for one in asked) == 1
        case "anyOf":
            return any(conforms(one, value, root) for one in asked)
        case "not":
            return not conforms(asked, value, root)
        case "items":
            return not isinstance(value, list) or all(conforms(asked, item, root) for item in value)
        case "properties" | "additionalProperties" | "propertyNames":
            return not isinstance(value, dict) or _fields_hold(keyword, asked, schema, value, root)
    assert keyword in _SAYING_NOTHING, f"a keyword that is not looked at: {keyword}"
    return True


def _fields_hold(keyword: str, asked: Any, schema: Any, value: dict[str, Any], root: Any) -> bool:  # noqa: ANN401 - JSON
    if keyword == "properties":
        return all(conforms(one, value[name], root) for name, one in asked.items() if name in value)
    if keyword == "propertyNames":
        return all(conforms(asked, name, root) for name in value)
    further = value.keys() - schema.get("properties", {}).keys()
    if isinstance(asked, bool):
        return asked or not further
    return all(conforms(asked, value[name], root) for name in further)
