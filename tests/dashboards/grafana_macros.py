"""What Grafana and its ClickHouse data source do to a query before ClickHouse sees it, as far as our queries use it.

Macros as in the data source's `pkg/macros` (4.3): what stands there is written here once more, so that a query can be
run without a Grafana.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

ALL = "$__all"
#: What may be chosen: Grafana writes all of them where all are.
CHANNELS = ("call", "chat", "email")


class Range(NamedTuple):
    """A dashboard's range or a rule's, in UTC seconds, and the width of a step."""

    start: int
    end: int
    step_s: int = 60


def expand(sql: str, over: Range, chosen: Mapping[str, list[str]] | None = None) -> str:
    """Write a query as ClickHouse gets it."""
    chosen = chosen or {}
    start, end = f"toDateTime({over.start})", f"toDateTime({over.end})"

    def conditional(match: re.Match[str]) -> str:
        # The data source takes an empty choice for all.
        return "1=1" if ",".join(chosen[match[2]]) in {ALL, ""} else match[1]

    def values(match: re.Match[str]) -> str:
        every = CHANNELS if (match[1], chosen[match[1]]) == ("channel", [ALL]) else chosen[match[1]]
        assert list(every) != [ALL], f"all of {match[1]}: only within $__conditionalAll"
        quoted = ("'" + value.replace("'", "\\'") + "'" for value in every)
        return ",".join(quoted if match[2] == "singlequote" else every)

    sql = re.sub(r"\$__conditionalAll\((.+?), \$(\w+)\)", conditional, sql)
    sql = re.sub(r"\$\{(\w+)(?::(\w+))?\}", values, sql)
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 >= {start} AND \1 <= {end}", sql)
    step = rf"toStartOfInterval(toDateTime(\1), INTERVAL {over.step_s} second)"
    sql = re.sub(r"\$__timeInterval\((\w+)\)", step, sql)
    sql = sql.replace("$__fromTime", start).replace("$__toTime", end).replace("$__interval_s", str(over.step_s))
    assert "$" not in sql, f"a macro or a variable that is not known: {sql}"
    return sql
