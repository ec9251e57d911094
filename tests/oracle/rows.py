"""One measurement, as the oracle gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.oracle.contacts import Contact

#: First-response targets by channel, milliseconds: within 20 s, 60 s, 24 h.
TARGET_MS: Final = {"call": 20_000, "chat": 60_000, "email": 24 * 3_600_000}
#: A response later than this is slow, milliseconds.
PATIENCE_MS: Final = {"call": 120_000, "chat": 120_000, "email": 24 * 3_600_000}
SHORT_ABANDON_MS: Final = 5_000


@dataclass(frozen=True)
class Row:
    """One sample of one contact. `at` in UTC milliseconds, `value_ms` a duration, `value` a count or millionths."""

    sample: str
    channel: str
    contact_id: str
    queue: str
    priority: str
    at: int
    value_ms: int | None = None
    value: int | None = None
    within: bool | None = None
    short: bool = False
    satisfied: bool | None = None
    tag: str = ""
    outcome: str = ""
    active_ms: int | None = None
    instance: int | None = None


def row(
    contact: Contact,
    sample: str,
    position: int,
    *,
    queue: str | None = None,
    priority: str | None = None,
    value_ms: int | None = None,
    value: int | None = None,
    within: bool | None = None,
    short: bool = False,
    satisfied: bool | None = None,
    tag: str = "",
    outcome: str = "",
    active_ms: int | None = None,
    instance: int | None = None,
) -> Row:
    """Make a row at the event at `position`, with the queue and priority in force there unless told otherwise."""
    return Row(
        sample,
        contact.channel,
        contact.contact_id,
        contact.queue(position) if queue is None else queue,
        contact.priority(position) if priority is None else priority,
        contact.events[position]["at"],
        value_ms,
        value,
        within,
        short,
        satisfied,
        tag,
        outcome,
        active_ms,
        instance,
    )
