"""A row of Asterisk's queue log, from its file or from its realtime table: what stands where. Pure.

How rows are written: `ast_queue_log` in Asterisk's main/logger.c. In the file a row is
`epoch|callid|queue|agent|EVENT|p1|…|p5` with whole seconds. In the table `time` is local time with microseconds, unless
`queue_log_realtime_use_gmt` is set, and the parameters are `data1` to `data5`, or one `data` with `|` between. A
table's column `id`, if it has one, distinguishes rows with the same time, which may be in whole seconds.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from streams.sources.adapter import AccountRules, Payload, UnmappableError
from streams.sources.vendor_values import JsonObject, json_object, optional_text_at, text_at, time_of
from streams.times import rfc3339

_FIELDS: Final = 5
_PARAMETERS: Final = 5
_EPOCH: Final = re.compile(r"\d{1,10}")
#: A channel's unique id begins with the second in which the call came, behind the system's name where there is one.
_CALL_BEGAN: Final = re.compile(r"(?:^|-)(\d{9,10})\.\d+$")
_LOCAL: Final = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?")
_NOBODY: Final = "NONE"
#: What exports of databases write where a column has no value.
_NULLS: Final = frozenset({"NULL", "\\N"})
_MS: Final = 1000
#: The most digits of a row's number by which rows with the same time are ordered.
_NUMBER_DIGITS: Final = 15
#: A row is written a moment after its call came, or within the second of it.
_CLOCK_S: Final = 1


class Row(NamedTuple):
    """One row."""

    #: RFC 3339, UTC.
    at: str
    #: What the row's ids contain: the second since 1970, or a table's time and the row's number.
    stamp: str
    #: Empty where the row is of no call.
    call: str
    queue: str
    agent: str
    event: str
    parameters: tuple[str, ...]
    #: Its place in the file or its number in the table, from 1; 0 in a table without numbers.
    line: int

    def parameter(self, number: int) -> str:
        """Give a parameter, from 1; empty where there is none."""
        return self.parameters[number - 1] if number <= len(self.parameters) else ""


def file_row(payload: Payload) -> Row:
    """Read a line of the file. Raises UnmappableError."""
    try:
        text = payload.body.decode().strip("\r\n")
    except UnicodeDecodeError:
        raise UnmappableError("", "is not UTF-8") from None
    parts = text.split("|")
    if len(parts) < _FIELDS:
        raise UnmappableError("", "is no row of a queue_log: time|call|queue|agent|event|…")
    stamp = parts[0].strip()
    if _EPOCH.fullmatch(stamp) is None:
        raise UnmappableError("time", "must be the seconds since 1970")
    at = time_of(int(stamp), "time")
    return _row(at, stamp, parts[1:5], parts[5:], payload.line)


def table_row(payload: Payload, account: AccountRules) -> Row:
    """Read a row of the realtime table, as JSON with its columns' names. Raises UnmappableError."""
    found = {
        name: None if isinstance(value, str) and value in _NULLS else value
        for name, value in json_object(payload.body).items()
    }
    if optional_text_at(found, "data1") or "data" not in found:
        parameters = [optional_text_at(found, f"data{number}") for number in range(1, _PARAMETERS + 1)]
    else:
        parameters = optional_text_at(found, "data").split("|")
    call = optional_text_at(found, "callid")
    at = _time_of_table(found, call, account.time_zone)
    queue = optional_text_at(found, "queuename") or optional_text_at(found, "queue")
    number = optional_text_at(found, "id")
    is_number = number.isascii() and number.isdecimal()
    return _row(
        at,
        f"{at}:{number}" if is_number else at,  # with the time: a recreated table has the same ids again
        [call, queue, optional_text_at(found, "agent"), text_at(found, "event")],
        parameters,
        int(number) if is_number and len(number) <= _NUMBER_DIGITS else 0,
    )


def _row(at: str, stamp: str, fixed: list[str], parameters: list[str], line: int) -> Row:
    call, queue, agent, event = ("" if (value := each.strip()) == _NOBODY else value for each in fixed)
    return Row(at, stamp, call, queue, agent, event, tuple(each.strip() for each in parameters), line)


def _time_of_table(found: JsonObject, call: str, zone: tzinfo | None) -> str:
    written = text_at(found, "time")
    local = _LOCAL.fullmatch(written)
    if local is None or zone is None:
        return time_of(written, "time", zone)  # seconds since 1970, as old tables have it, or with a zone
    day, clock, digits = local.groups()
    try:
        naive = datetime.fromisoformat(f"{day}T{clock}.{(digits or '0').ljust(6, '0')[:6]}")
        first = naive.replace(tzinfo=zone).astimezone(UTC)
        second = naive.replace(tzinfo=zone, fold=1).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UnmappableError("time", "must be a time such as 2026-03-01 08:00:00.123456") from None
    if first == second:
        return time_of(first.isoformat(), "time")
    if first.astimezone(zone).replace(tzinfo=None) != naive:
        raise UnmappableError("time", "is skipped when the clocks go forward: is `time_zone` the server's?")
    return time_of(_of_two(first, second, call).isoformat(), "time")


def _of_two(first: datetime, second: datetime, call: str) -> datetime:
    """Choose between the two points in time that a local time of the repeated hour can be.

    No row of a call is from before the call came, which its id tells; of the times that are left the first is it,
    as calls are shorter than an hour.
    """
    began = _CALL_BEGAN.search(call)
    if began is None:
        raise UnmappableError(
            "time", "is in the hour that the clocks repeat: set queue_log_realtime_use_gmt=yes, and `time_zone` to UTC"
        )
    came = datetime.fromtimestamp(int(began[1]), UTC) - timedelta(seconds=_CLOCK_S)
    return first if first >= came else second


def seconds_before(at: str, seconds: int) -> str:
    """Give the time so many seconds before another."""
    moment = datetime.fromisoformat(at) - timedelta(seconds=seconds)
    return rfc3339(round(moment.timestamp() * _MS))
