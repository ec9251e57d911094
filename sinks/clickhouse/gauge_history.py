"""The gauges of this moment, put down under a minute: one question that ClickHouse answers to itself.

A queue that had something within the last hour and has nothing now is put down with zeros, so that its graph falls to 0
and does not just end. A minute that is there already is left alone, whoever wrote it.
"""

from __future__ import annotations

from typing import Final

_COUNTS: Final = (
    *("waiting", "awaiting_reply", "at_risk", "breached", "open", "handling", "stale"),
    *("at_risk_next_response", "breached_next_response", "at_risk_resolution", "breached_resolution"),
    *("at_risk_queue_wait", "breached_queue_wait"),
)
_TIMES: Final = ("oldest_waiting_since", "oldest_awaiting_since")
#: How long a queue that has nothing any more is put down with zeros, in milliseconds.
FALLS_FOR_MS: Final = 3_600_000


def _each(pattern: str, names: tuple[str, ...]) -> str:
    return ", ".join(pattern.format(name) for name in names)


_MINUTE: Final = "fromUnixTimestamp64Milli({minute:Int64}, 'UTC')"
_HOUR_BEFORE: Final = f"fromUnixTimestamp64Milli({{minute:Int64}} - {FALLS_FOR_MS}, 'UTC')"

#: Asked with `minute`, its beginning in UTC milliseconds.
NOTE: Final = f"""
INSERT INTO gauge_history_rows (at, channel, queue, taken_at, {_each("{}", _TIMES)}, {_each("{}", _COUNTS)})
SELECT {_MINUTE}, channel, queue, now64(3, 'UTC'), {_each("min(g.{})", _TIMES)}, {_each("sum(g.{})", _COUNTS)}
FROM (
    SELECT channel, queue, {_each("{}", _TIMES)}, {_each("{}", _COUNTS)} FROM gauges
    UNION ALL
    SELECT DISTINCT channel, queue, {_each("NULL AS {}", _TIMES)}, {_each("toUInt64(0) AS {}", _COUNTS)}
    FROM (
        SELECT channel, queue FROM gauge_history
        WHERE at >= {_HOUR_BEFORE} AND at < {_MINUTE} AND {" + ".join(_COUNTS)} > 0
    )
) AS g
WHERE (SELECT count() FROM gauge_history_rows WHERE at = {_MINUTE}) = 0
GROUP BY channel, queue
"""  # noqa: S608 - our own names
