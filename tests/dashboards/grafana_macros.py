"""What Grafana and its ClickHouse data source do to a query before ClickHouse sees it, as far as our queries use it.

Macros as in the data source's `pkg/macros` (4.3): what stands there is written here once more, so that a query can be
run without a Grafana.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

ALL = "$__all"


class Range(NamedTuple):
    """A dashboard's range or a rule's, in UTC seconds, and the width of a step."""

    start: int
    end: int
    step_s: int = 60


def _arguments(text: str, opening: int) -> tuple[list[str], int]:
    """Split what stands between the parenthesis at `opening` and its partner; also give the place behind that."""
    depth, begin, found = 0, opening + 1, []
    for place in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if (text[place] == "," and depth == 1) or depth == 0:
            found.append(text[begin:place].strip())
            begin = place + 1
        if depth == 0:
            return found, place + 1
    raise AssertionError(f"unbalanced parentheses: {text[opening : opening + 60]}")


def _replace_calls(text: str, name: str, write: Callable[[list[str]], str]) -> str:
    while (begin := text.find(f"{name}(")) >= 0:
        arguments, end = _arguments(text, begin + len(name))
        text = text[:begin] + write(arguments) + text[end:]
    return text


def _conditional(chosen: Mapping[str, list[str]]) -> Callable[[list[str]], str]:
    def write(arguments: list[str]) -> str:
        condition, variable = arguments
        return "1=1" if chosen[variable.removeprefix("$")] == [ALL] else condition

    return write


def _chosen_values(text: str, chosen: Mapping[str, list[str]]) -> str:
    def write(match: re.Match[str]) -> str:
        values = chosen[match["name"]]
        if match["form"] == "singlequote":
            return ",".join("'" + value.replace("'", "\\'") + "'" for value in values)
        return ",".join(values)

    return re.sub(r"\$\{(?P<name>\w+)(?::(?P<form>\w+))?\}", write, text)


def expand(sql: str, over: Range, chosen: Mapping[str, list[str]] | None = None) -> str:
    """Write a query as ClickHouse gets it."""
    chosen = chosen or {}
    start, end = f"toDateTime({over.start})", f"toDateTime({over.end})"
    sql = _replace_calls(sql, "$__conditionalAll", _conditional(chosen))
    sql = _chosen_values(sql, chosen)
    sql = _replace_calls(sql, "$__timeFilter", lambda a: f"{a[0]} >= {start} AND {a[0]} <= {end}")
    sql = _replace_calls(
        sql, "$__timeInterval", lambda a: f"toStartOfInterval(toDateTime({a[0]}), INTERVAL {over.step_s} second)"
    )
    sql = sql.replace("$__fromTime", start).replace("$__toTime", end).replace("$__interval_s", str(over.step_s))
    assert "$__" not in sql, f"a macro that is not known: {sql}"
    return sql
