"""The datasets: the fields of each, and how its rows are made of the live figures (docs/live.md). Pure.

Geckoboard's limits (developer.geckoboard.com, Schemas and types, Limits and quotas): ten fields a dataset, text of 100
characters, 5,000 rows a dataset and 500 a request; a percentage runs from 0 to 1. Numbers, durations and percentages
may be missing; text may not.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

#: Rows that one request may have.
ROWS_AT_ONCE: Final = 500
TEXT_LENGTH: Final = 100
#: The history's points are this far apart.
HISTORY_EVERY_MS: Final = 300_000
#: The window that rates and times are of.
WINDOW: Final = "15m"

_MS: Final = 1000


class Dataset(NamedTuple):
    """A dataset: its id, its schema as Geckoboard takes it, and whether its rows are added or replace all others."""

    id: str
    fields: Mapping[str, Mapping[str, Any]]
    #: Fields that are unique together; a row with the same ones takes the other's place.
    unique_by: tuple[str, ...] = ()
    #: Whether rows are added; else they replace what there is.
    appended: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        """The body that makes it."""
        made: dict[str, Any] = {"fields": dict(self.fields)}
        return made | ({"unique_by": list(self.unique_by)} if self.unique_by else {})


def _field(kind: str, name: str, **more: str) -> dict[str, Any]:
    optional = {} if kind in {"string", "datetime"} else {"optional": True}
    return {"type": kind, "name": name, **optional, **more}


def _duration(name: str) -> dict[str, Any]:
    return _field("duration", name, time_unit="seconds")


QUEUES: Final = Dataset(
    "pulssi.queues",
    {
        "queue": _field("string", "Queue"),
        "channel": _field("string", "Channel"),
        "waiting": _field("number", "Waiting"),
        "longest_wait": _duration("Longest wait"),
        "breached": _field("number", "Beyond the target"),
        "service_level": _field("percentage", "Service level, 15 min"),
        "service_level_today": _field("percentage", "Service level today"),
        "first_response_p90": _duration("First response, 9 of 10, 15 min"),
        "offered_today": _field("number", "Offered today"),
        "as_of": _field("datetime", "As of"),
    },
)
CHANNELS: Final = Dataset(
    "pulssi.channels",
    {
        "channel": _field("string", "Channel"),
        "waiting": _field("number", "Waiting"),
        "longest_wait": _duration("Longest wait"),
        "handling": _field("number", "With an agent"),
        "service_level": _field("percentage", "Service level, 15 min"),
        "service_level_today": _field("percentage", "Service level today"),
        "first_response_p90": _duration("First response, 9 of 10, 15 min"),
        "handle_average": _duration("Handle time, average, 15 min"),
        "offered_today": _field("number", "Offered today"),
        "as_of": _field("datetime", "As of"),
    },
)
HISTORY: Final = Dataset(
    "pulssi.history",
    {
        "at": _field("datetime", "Time"),
        "channel": _field("string", "Channel"),
        "waiting": _field("number", "Waiting"),
        "service_level": _field("percentage", "Service level, 15 min"),
        "offered": _field("number", "Offered, 15 min"),
        "abandoned": _field("number", "Abandoned, 15 min"),
        "first_response_p90": _duration("First response, 9 of 10, 15 min"),
    },
    unique_by=("at", "channel"),
    appended=True,
)
DATASETS: Final = (QUEUES, CHANNELS, HISTORY)

Row = dict[str, Any]


def rows_of(figures: Mapping[str, Any]) -> dict[str, list[Row]]:
    """Make the rows of each dataset, by its id; of more than 500 queues those with the most contacts waiting."""
    as_of = figures["as_of"]
    moment, point = _moment(as_of), _moment(as_of - as_of % HISTORY_EVERY_MS)
    queues, channels, history = [], [], []
    for group in figures["groups"]:
        if group["queue"] is not None:
            queues.append(_queue(group, moment))
        elif group["channel"] is not None:
            channels.append(_channel(group, moment))
            history.append(_point(group, point))
    queues.sort(key=lambda row: (-row["waiting"], row["channel"], row["queue"]))
    return {QUEUES.id: queues[:ROWS_AT_ONCE], CHANNELS.id: channels, HISTORY.id: history}


def _queue(group: Mapping[str, Any], as_of: str) -> Row:
    now, recent, today = group["now"], group["windows"][WINDOW], group["windows"]["today"]
    return {
        "queue": group["queue"][:TEXT_LENGTH],
        "channel": group["channel"],
        "waiting": now["waiting"],
        "longest_wait": _seconds(now["longest_wait_ms"]),
        "breached": now["breached"],
        "service_level": recent["service_level"],
        "service_level_today": today["service_level"],
        "first_response_p90": _seconds(recent["first_response"]["p90_ms"]),
        "offered_today": today["offered"],
        "as_of": as_of,
    }


def _channel(group: Mapping[str, Any], as_of: str) -> Row:
    now, recent, today = group["now"], group["windows"][WINDOW], group["windows"]["today"]
    return {
        "channel": group["channel"],
        "waiting": now["waiting"],
        "longest_wait": _seconds(now["longest_wait_ms"]),
        "handling": now["handling"],
        "service_level": recent["service_level"],
        "service_level_today": today["service_level"],
        "first_response_p90": _seconds(recent["first_response"]["p90_ms"]),
        "handle_average": _seconds(recent["aht_ms"]),
        "offered_today": today["offered"],
        "as_of": as_of,
    }


def _point(group: Mapping[str, Any], at: str) -> Row:
    recent = group["windows"][WINDOW]
    return {
        "at": at,
        "channel": group["channel"],
        "waiting": group["now"]["waiting"],
        "service_level": recent["service_level"],
        "offered": recent["offered"],
        "abandoned": recent["abandoned"],
        "first_response_p90": _seconds(recent["first_response"]["p90_ms"]),
    }


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / _MS


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms // _MS, UTC).isoformat().replace("+00:00", "Z")
