"""From a source record to its row in the archive.

Pure. A record that is no event is not archived: the worker puts it to the dead letters. What people wrote, messages'
text and ratings' comments, is kept only where the archive is told to; nothing else here may let it through.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Protocol

import orjson
from pydantic_core import from_json

from schemas.events import AgentStatus, ContactEvent, Event, UnknownAgentEvent
from sinks.rows import EventRow, first_wins
from streams.core.event import event_of, normalised
from streams.decode import BadRecord, decode

_MAX_SIGNED: Final = (1 << 63) - 1
_WORDS_OF_PEOPLE: Final = frozenset({"text", "comment"})
#: Fields with names that differ in JSON and Python.
_ALIASES: Final = {"for_": "for"}


class Record(Protocol):
    """A record of a source topic, as aiokafka gives it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def event_rows(records: Iterable[Record], epoch: int, *, keep_text: bool = False) -> list[EventRow]:
    """Decode records to rows, in order; bad records are left out."""
    rows = []
    for record in records:
        try:
            event = decode(record.topic, record.key, record.value)
        except BadRecord:
            continue
        rows.append(_row(event, record, epoch, keep_text=keep_text))
    return rows


def _row(
    event: ContactEvent | AgentStatus | UnknownAgentEvent, record: Record, epoch: int, *, keep_text: bool
) -> EventRow:
    given = event.__dict__
    text = given.get
    of_agent = not isinstance(event, ContactEvent)
    return EventRow(
        contact_id=text("contact_id") or "",
        agent_key=event.agent_id or "" if of_agent else "",
        event_id=event.event_id,
        normalised=normalised(event_of(event)),  # type: ignore[arg-type]  # an agent's event has all that is read
        occurred_at=event.occurred_at,
        version=first_wins(epoch, record.offset),
        type=given["type"],
        channel=text("channel") or "",
        seq=min(event.seq, _MAX_SIGNED),
        source=event.source,
        queue=text("queue") or "",
        priority=text("priority") or "",
        team=text("team") or "",
        language=text("language") or "",
        segment=text("segment") or "",
        customer_id=text("customer_id") or "",
        agent_id=event.agent_id or "",
        attributes=event.attributes or {},
        direction=text("direction") or "",
        initiated_by=text("initiated_by") or "",
        author=text("author") or "",
        public=text("public"),
        automatic=text("automatic"),
        text=text("text") if keep_text else None,
        tags=text("tags") or [],
        for_=text("for_") or "",
        reason=text("reason") or "",
        into=text("into") or "",
        score=_number(text("score")),
        scale_max=_number(text("scale_max")),
        form=text("form") or "",
        evaluator_id=text("evaluator_id") or "",
        comment_present=text("comment_present"),
        comment=text("comment") if keep_text else None,
        voids=text("voids") or "",
        status=text("status") or "",
        groups=text("groups") or [],
        capacity={channel: min(slots, _MAX_SIGNED) for channel, slots in (text("capacity") or {}).items()},
        extra=_unknown(event, record.value or b"", keep_text=keep_text),
        received_at=record.timestamp,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        epoch=epoch,
    )


def _number(value: Any) -> float | None:  # noqa: ANN401 - a Decimal or nothing
    return None if value is None else float(value)


def _unknown(event: Event, value: bytes, *, keep_text: bool) -> str:
    """Return the fields that the contract does not know as JSON; empty where there are none."""
    known = {_ALIASES.get(name, name) for name in type(event).model_fields}
    if not keep_text:
        known |= _WORDS_OF_PEOPLE
    extra = {name: field for name, field in _parsed(value).items() if name not in known}
    return orjson.dumps(extra, option=orjson.OPT_SORT_KEYS).decode() if extra else ""


def _parsed(value: bytes) -> dict[str, Any]:
    try:
        fields: dict[str, Any] = orjson.loads(value)
    except orjson.JSONDecodeError:
        # A number beyond any double in a field that is not ours: the decoder lets it pass, and it is kept as null.
        fields = from_json(value)
    return fields
