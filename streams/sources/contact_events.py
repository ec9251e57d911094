"""Writes the events of one contact: what all of them share stands once, and what is empty is left out."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemas.topics import Channel
from streams.sources.adapter import AccountRules, Event, shortened

#: What a contact carries on each of its events, where it is known.
_CARRIED: Final = ("queue", "priority", "team", "language", "segment", "customer_id")
#: Of `contact.tagged`.
_TAGS_AN_EVENT: Final = 32


class ContactEvents:
    """Makes events of one contact of an account, in the order in which they are to be read."""

    def __init__(self, account: AccountRules, native_id: object, channel: Channel, **carried: str) -> None:
        """`carried` are queue, priority, team, language, segment and customer_id as of these events; empty: unknown."""
        self._common: dict[str, Any] = {
            "contact_id": account.contact_id(native_id),
            "channel": channel,
            "source": account.source,
            **{name: value for name, value in carried.items() if value and name in _CARRIED},
        }
        #: What was made so far.
        self.events: list[Event] = []

    def add(self, kind: str, at: str, *of_what: object, seq: int = 0, **fields: Any) -> None:  # noqa: ANN401 - JSON
        """Add an event of type `kind`; `of_what` are the vendor's own object, field, value and version or time.

        They make its id: the same fact has the same id however it was told. Fields that are None or empty text are
        left out.
        """
        event: Event = {
            "event_id": shortened(":".join(str(part) for part in of_what)),
            "type": kind,
            "occurred_at": at,
            **self._common,
        }
        if seq:
            event["seq"] = seq
        event.update(_given(fields))
        self.events.append(event)

    def add_all_tags(self, at: str, tags: Iterable[str], *of_what: object, seq: int) -> None:
        """State that these are all tags there are; of more than an event holds, the next events put on the rest.

        `seq` and the numbers behind it are theirs.
        """
        known = sorted({shortened(tag.strip()) for tag in tags} - {""})
        for number, first in enumerate(range(0, max(len(known), 1), _TAGS_AN_EVENT)):
            some = known[first : first + _TAGS_AN_EVENT]
            more = (number,) * bool(number)
            self.add(
                "contact.tagged", at, *of_what, *more, *some, seq=seq + number, tags=some, replace=not number or None
            )

    def add_tags(self, kind: str, at: str, tags: Iterable[str], *of_what: object) -> None:
        """State that these tags were put on, or with another `kind` taken off; in as many events as they need."""
        known = sorted({shortened(tag.strip()) for tag in tags} - {""})
        for first in range(0, len(known), _TAGS_AN_EVENT):
            some = known[first : first + _TAGS_AN_EVENT]
            self.add(kind, at, *of_what, *some, tags=some)

    def __len__(self) -> int:
        return len(self.events)


def agent_status(
    account: AccountRules,
    native_agent: object,
    status: str,
    at: str,
    *of_what: object,
    **fields: Any,  # noqa: ANN401 - JSON
) -> Event:
    """Make an event of an agent's state; `of_what` makes its id, as for a contact."""
    return {
        "event_id": shortened(":".join(str(part) for part in of_what)),
        "type": "agent.status",
        "occurred_at": at,
        "source": account.source,
        "agent_id": account.agent_id(native_agent),
        "status": status,
        **_given(fields),
    }


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    # `for` is a word of Python.
    return {name.rstrip("_"): value for name, value in fields.items() if value is not None and value != ""}
