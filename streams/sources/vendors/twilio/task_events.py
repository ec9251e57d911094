"""Reads TaskRouter's events in the three shapes that they come in, as one.

The legacy callback posts a form with `TaskSid`; Event Streams posts CloudEvents with `data.payload.task_sid`; the API's
list has rows with `event_data.task_sid`. The fields are the same, and so is the event's own id (EV…), by which an event
that comes in several ways is one.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from streams.sources.adapter import UnmappableError
from streams.sources.vendor_values import JsonObject, object_at, optional_text_at, text_at, time_at, value_at

PREFIX: Final = "com.twilio.taskrouter."
_CAPITAL: Final = re.compile(r"(?<!^)(?=[A-Z])")
_FORM_TIMES: Final = ("timestamp_ms", "timestamp")
_ROW_TIMES: Final = ("event_date_ms", "event_date")


class TaskEvent(NamedTuple):
    """One event of TaskRouter."""

    #: EV…, the same in all shapes.
    sid: str
    #: Such as `reservation.accepted`.
    kind: str
    #: RFC 3339; whole seconds where the shape has no milliseconds.
    at: str
    #: By names such as `task_sid`; values are mostly text.
    fields: Mapping[str, Any]
    #: Whether it is of the past, where attributes may be redacted.
    is_row: bool = False

    def text(self, name: str) -> str:
        """Return a field that must be there."""
        return text_at(self.fields, name)

    def optional(self, name: str) -> str:
        """Return a field; empty where it is missing."""
        return optional_text_at(self.fields, name)


def snake_case(name: str) -> str:
    """Write `TaskQueueSid` as `task_queue_sid`."""
    return _CAPITAL.sub("_", name).lower()


def of_form(form: Mapping[str, str]) -> TaskEvent:
    """Read a callback of `EventCallbackUrl`; without its own id it could not be known again, so it needs `Sid`."""
    fields = {snake_case(name): value for name, value in form.items()}
    return TaskEvent(text_at(fields, "sid"), text_at(fields, "event_type"), _time(fields, _FORM_TIMES), fields)


def of_cloud_event(event: JsonObject) -> TaskEvent:
    """Read an event of Event Streams."""
    payload = object_at(event, "data.payload")
    kind = text_at(event, "type").removeprefix(PREFIX)
    return TaskEvent(text_at(payload, "sid"), kind, time_at(payload, "timestamp"), payload)


def of_row(row: JsonObject) -> TaskEvent:
    """Read a row of the API's list of events; old rows have no `event_date_ms`."""
    data = object_at(row, "event_data")
    return TaskEvent(text_at(row, "sid"), text_at(row, "event_type"), _time(row, _ROW_TIMES), data, is_row=True)


def attributes_at(event: TaskEvent, name: str) -> JsonObject | None:
    """Parse the JSON in a field such as `task_attributes`; None where it is missing or redacted."""
    found = value_at(event.fields, name)
    if isinstance(found, str):
        try:
            found = orjson.loads(found)
        except orjson.JSONDecodeError:
            return None
    return found if isinstance(found, dict) else None


def _time(fields: Mapping[str, Any], names: tuple[str, str]) -> str:
    exact, coarse = names
    if value_at(fields, exact) not in (None, ""):
        return time_at(fields, exact)
    try:
        return time_at(fields, coarse)
    except UnmappableError as error:
        raise UnmappableError(coarse, error.problem) from None
