"""What Grafana and its ClickHouse data source do to a query before ClickHouse sees it, as far as our queries use it.

Macros as in the data source's `pkg/macros` (4.3): what stands there is written here once more, so that a query can be
run without a Grafana.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import quote

ALL = "$__all"
#: What may be chosen: Grafana writes all of them where all are.
CHANNELS = ("call", "chat", "email")
#: Variables that take several values.
SEVERAL = frozenset({"channel", "queue", "priority", "team", "tag"})


class Range(NamedTuple):
    """A dashboard's range or a rule's, in UTC seconds, and the width of a step."""

    start: int
    end: int
    step_s: int = 60


def as_parameters(name: str, values: Iterable[str], safe: str = "") -> str:
    """Write chosen values in the format `queryparam`; `safe` are letters that a release of Grafana does not encode."""
    return "&".join(f"var-{name}={quote(value, safe=safe)}" for value in values)


def expand(sql: str, over: Range, chosen: Mapping[str, list[str]] | None = None) -> str:
    """Write a query as ClickHouse gets it."""
    chosen = chosen or {}
    start, end = f"toDateTime({over.start})", f"toDateTime({over.end})"

    def conditional(match: re.Match[str]) -> str:
        # The data source takes an empty choice for all.
        return "1=1" if ",".join(chosen[match[2]]) in {ALL, ""} else match[1]

    def values(match: re.Match[str]) -> str:
        name, way = match.groups()
        every = CHANNELS if (name, chosen[name]) == ("channel", [ALL]) else chosen[name]
        assert list(every) != [ALL], f"all of {name}: only within $__conditionalAll"
        if way == "queryparam":
            return as_parameters(name, every)
        assert way == "percentencode", f"a value of {name} could end the text that it stands in"
        return quote("{" + ",".join(every) + "}" if name in SEVERAL else every[0], safe="")

    sql = re.sub(r"\$__conditionalAll\((.+?), \$(\w+)\)", conditional, sql)
    sql = re.sub(r"\$\{(\w+)(?::(\w+))?\}", values, sql)
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 >= {start} AND \1 <= {end}", sql)
    sql = sql.replace("$__fromTime", start).replace("$__toTime", end).replace("$__interval_s", str(over.step_s))
    assert "$" not in sql, f"a macro or a variable that is not known: {sql}"
    return sql
