"""Statements of our own: the only place that puts what a request says into a text for the engine.

What is no name or no format is refused, never quoted into something that may be one. Nothing here takes a
piece of a statement as it came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from deploy.embedded.clickhouse.faults import BAD_ARGUMENTS, Fault

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
#: Settings of the engine's own kinds have dots in their names.
_SETTING: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")


def quote(text: str) -> str:
    """Write a string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def identifier(text: str) -> str:
    """Write an identifier in backticks."""
    escaped = text.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def name(what: str, text: str) -> str:
    """Give back what is a plain name; `what` it names stands in the Fault otherwise."""
    if not NAME.fullmatch(text):
        raise Fault(BAD_ARGUMENTS, f"{what} must be a name of letters, digits and underscores, not {text[:60]!r}")
    return text


def setting(text: str) -> bool:
    """Tell whether a setting may be called so."""
    return _SETTING.fullmatch(text) is not None


def assignment(settings: Mapping[str, str]) -> str:
    """Write SET for these settings, each value as a text; empty where there are none."""
    parts = []
    for each, value in settings.items():
        if not setting(each):
            raise Fault(BAD_ARGUMENTS, f"{each[:60]!r} is no name of a setting")
        parts.append(f"{each} = {quote(value)}")
    return "SET " + ", ".join(parts) if parts else ""
