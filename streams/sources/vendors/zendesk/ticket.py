"""The events of a ticket's changes, from a hook or from an audit.

Both have the same facts, so the events and their ids are the same: made of the field, its value and the second of the
ticket's update. A fact that is repeated at another time changes nothing in the fold. Zendesk's times of updates are
whole seconds; `seq` orders the events of one update.
"""

from typing import Any, Final, NamedTuple

from schemas.topics import Channel
from streams.sources.adapter import AccountRules, Event, UnmappableError
from streams.sources.contact_events import ContactEvents
from streams.sources.pseudonyms import customer_pseudonym
from streams.sources.vendor_values import JsonObject, optional_text_at, text_at, time_of
from streams.sources.vendors.zendesk.via import FORMS, OUTBOUND_CALLS, WITHOUT_COMMENTS, channel_of, via_of

#: The order of what one update says. A reply comes before the group that the ticket is passed on to with it, and still
#: belongs to the group before.
_MESSAGE, _PRIORITY, _STATE, _QUEUE, _TAGS, _RATING, _GONE = 10, 20, 21, 30, 40, 80, 90
#: Statuses in the order of a ticket's life: of two in one second the later in life is the last.
_STATUS: Final = {"open": 50, "hold": 54, "pending": 58, "solved": 62, "closed": 66}
_PAUSE_FOR: Final = {"hold": "third_party", "pending": "customer"}
_PRIORITIES: Final = frozenset({"low", "normal", "high", "urgent"})
#: The author of what triggers and automations do.
SYSTEM_USER: Final = "-1"


class TicketFacts(NamedTuple):
    """What never changes of a ticket, but for its requester, and which contact it is."""

    ticket_id: str
    via: str
    channel: Channel
    requester: str
    submitter: str

    @property
    def has_comments(self) -> bool:
        """Whether its comments are the messages of the conversation."""
        return self.via not in WITHOUT_COMMENTS

    @property
    def is_outreach(self) -> bool:
        """Whether an agent began it: a call out, or a form that somebody else than the requester submitted."""
        by_another = bool(self.submitter) and self.submitter != self.requester
        return self.via in OUTBOUND_CALLS or (self.via in FORMS and by_another)


def ticket_facts(within: Any, path: str, account: AccountRules) -> TicketFacts:  # noqa: ANN401 - JSON
    """Read them from a ticket at a path."""
    via = via_of(within, f"{path}.via")
    return TicketFacts(
        text_at(within, f"{path}.id"),
        via,
        channel_of(via, f"{path}.via.channel", account),
        optional_text_at(within, f"{path}.requester_id"),
        optional_text_at(within, f"{path}.submitter_id"),
    )


class Ticket:
    """Makes the events of one ticket."""

    def __init__(self, facts: TicketFacts, account: AccountRules, priority_field: str) -> None:
        """`priority_field` is named where a priority is none that is known."""
        self.facts = facts
        self._priority_field = priority_field
        self._account = account
        customer = customer_pseudonym(account, facts.requester)
        self._made = ContactEvents(account, facts.ticket_id, facts.channel, customer_id=customer)

    @property
    def events(self) -> tuple[Event, ...]:
        """What was made so far."""
        return tuple(self._made.events)

    def queue_of(self, group: str) -> str:
        """Name the queue of a group's id; without a group the account's own."""
        return self._account.queue_named(group)

    def started(self, at: str, written_priority: str) -> None:
        """The ticket was created, with this priority."""
        out = self.facts.is_outreach
        self._made.add(
            "contact.started",
            at,
            "created",
            priority=self._priority_of(written_priority),
            direction="outbound" if out else None,
            initiated_by="agent" if out else None,
        )

    def created_in(self, group: str, at: str) -> None:
        """It was created in a group: it waits there, if it was the customer who came."""
        if group and not self.facts.is_outreach:
            self.moved_to(group, at)

    def moved_to(self, group: str, at: str) -> None:
        """It was put into a group, or taken out of every one. A call waits on the telephone, and not in its ticket."""
        if self.facts.channel == "call":
            return
        if group:
            self._made.add("contact.queued", at, "group", group, at, seq=_QUEUE, queue=self.queue_of(group))
        else:
            self._made.add("contact.dequeued", at, "group", "", at, seq=_QUEUE)

    def priority(self, written: str, at: str) -> None:
        """Its priority is this; none is normal."""
        priority = self._priority_of(written)
        self._made.add("contact.prioritised", at, "priority", priority, at, seq=_PRIORITY, priority=priority)

    def _priority_of(self, written: str) -> str:
        priority = written.lower() or "normal"
        if priority not in _PRIORITIES:
            raise UnmappableError(self._priority_field, f"is {written[:64]!r}, which is not known")
        return priority

    def is_in(self, group: str, written_priority: str, at: str) -> None:
        """Its queue and priority are these, since when is not said: nothing is counted by it."""
        priority = self._priority_of(written_priority)
        self._made.add(
            "contact.prioritised",
            at,
            *("state", group, priority, at),
            seq=_STATE,
            priority=priority,
            queue=self.queue_of(group),
            team=self._account.teams.get(group, ""),
        )

    def tags(self, tags: list[str], at: str) -> None:
        """These are all its tags."""
        self._made.add_all_tags(at, tags, "tags", at, seq=_TAGS)

    def status(self, written: str, field: str, at: str) -> None:
        """Its status is this. Solved is settled; closed only says that it cannot be opened again."""
        status = written.lower()
        if status in {"deleted", "scrubbed"}:
            self.deleted(at)
        elif status in {"solved", "closed", "archived"}:
            self._made.add("contact.resolved", at, "status", status, at, seq=_STATUS.get(status, _STATUS["closed"]))
        elif status in _STATUS:
            seq = _STATUS[status]
            self._made.add("contact.reopened", at, "status", status, at, "reopened", seq=seq)
            self._made.add("contact.unpaused", at, "status", status, at, "unpaused", seq=seq + 1)
            if status in _PAUSE_FOR:
                self._made.add("contact.paused", at, "status", status, at, seq=seq + 2, for_=_PAUSE_FOR[status])
        elif status != "new":
            raise UnmappableError(field, f"is {written[:64]!r}, which is not known")

    def comment(self, comment_id: str, at: str, author: str, *, public: bool) -> None:
        """A comment; `author` is an agent's id, or `customer`, `bot` or `system`."""
        self._message(at, author, ("comment", comment_id), public=public)

    def published(self, comment_id: str, at: str, author: str) -> None:
        """An internal comment was made public: the customer has it from now on."""
        self._message(at, author, ("comment", comment_id, "public", at), public=True)

    def withdrawn(self, comment_id: str, at: str) -> None:
        """A public comment was made internal: it is no reply."""
        self._made.add(
            "event.voided", at, "comment", comment_id, "private", at, seq=_GONE, voids=f"comment:{comment_id}"
        )

    def _message(self, at: str, author: str, ids: tuple[object, ...], *, public: bool) -> None:
        who = message_author(self._account, author)
        self._made.add("message.sent", at, *ids, seq=_MESSAGE, public=None if public else False, **who)

    def rated(self, score: str, at: str, agent: str, *, comment: bool) -> None:
        """The customer rated it: good or bad."""
        value = 2 if score == "good" else 1
        fields: dict[str, Any] = {"score": value, "scale_max": 2, "comment_present": comment or None}
        if agent:
            fields["agent_id"] = self._account.agent_id(agent)
        self._made.add("contact.rated", at, "rating", score, at, seq=_RATING, **fields)

    def merged(self, at: str) -> None:
        """It was merged into a ticket that is not named."""
        self._made.add("contact.discarded", at, "merged", seq=_GONE, reason="merged")

    def merged_into(self, target: str, at: str) -> None:
        """It was merged into another ticket."""
        into = self._account.contact_id(target)
        self._made.add("contact.discarded", at, "merged", target, seq=_GONE, reason="merged", into=into)

    def spam(self, at: str) -> None:
        """It was marked as spam."""
        self._made.add("contact.discarded", at, "spam", seq=_GONE, reason="spam")

    def deleted(self, at: str) -> None:
        """It was deleted."""
        self._made.add("contact.discarded", at, "deleted", seq=_GONE, reason="other")

    def restored(self, at: str) -> None:
        """It was taken back from the deleted tickets."""
        for what in ("deleted", "spam"):
            self._made.add("event.voided", at, "restored", what, at, seq=_GONE, voids=what)


def message_author(account: AccountRules, author: str) -> dict[str, Any]:
    """Give the fields of a message by who wrote it: an agent's id, or `customer`, `bot` or `system`."""
    if author in {"customer", "bot"}:
        return {"author": author}
    if author == "system":
        return {"author": "system", "automatic": True}
    if author in account.bots:
        return {"author": "bot"}
    return {"author": "agent", "agent_id": account.agent_id(author)}


def whole_second(value: Any, field: str) -> str:  # noqa: ANN401 - JSON
    """Read a time, cut to its second: as exact as the API tells it."""
    return f"{time_of(value, field)[:19]}Z"


def tags_at(within: JsonObject, path: str) -> list[str]:
    """Read tags: a list, or text with spaces between."""
    found: Any = within
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    if isinstance(found, str):
        return found.split()
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(tag, str) for tag in found):
        raise UnmappableError(path, "must be a list of tags")
    return [tag for tag in (each.strip() for each in found) if tag]
