"""A ticket of Zammad as the webhook and the API tell it, its articles, and its versions.

Each update of a ticket makes a version, named by its `updated_at`. The events of a version give the group, priority and
state of the ticket, whether they are new or not: repeated, or given by a later version again, they change nothing. Rows
of the history have the time of their version, so that webhook and import give the same events.
"""

from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from schemas.topics import Channel
from streams.sources.adapter import AccountRules, UnmappableError
from streams.sources.contact_events import ContactEvents
from streams.sources.pseudonyms import customer_pseudonym
from streams.sources.vendor_values import JsonObject, optional_text_at, text_at, time_at, value_at

State = Literal["open", "paused", "paused_third_party", "resolved", "merged", "removed"]

#: Zammad writes a ticket several times while it creates it; what is this close to its start is its start.
_CREATION: Final = timedelta(seconds=2)
_MILLISECOND: Final = timedelta(milliseconds=1)
#: The user that Zammad itself acts as.
_SYSTEM_USER: Final = "1"

#: The states that Zammad ships, by their names, and the first five by ids that never changed, for renamed ones.
_STATES: Final[dict[str, State]] = {
    "new": "open",
    "open": "open",
    "pending reminder": "paused",
    "pending close": "paused",
    "closed": "resolved",
    "merged": "merged",
    "removed": "removed",
    "1": "open",
    "2": "open",
    "3": "paused",
    "4": "resolved",
    "5": "merged",
}
_PRIORITY_WORDS: Final = ("low", "normal", "high", "urgent")
#: The types of articles, and the channel of a ticket that begins with one.
_CHANNELS: Final[dict[str, Channel]] = {
    "email": "email",
    "sms": "chat",
    "chat": "chat",
    "fax": "email",
    "phone": "email",
    "twitter status": "chat",
    "twitter direct-message": "chat",
    "facebook feed post": "chat",
    "facebook feed comment": "chat",
    "facebook direct-message": "chat",
    "note": "email",
    "web": "email",
    "telegram personal-message": "chat",
    "whatsapp message": "chat",
}


class Version(NamedTuple):
    """How a ticket is from `at` on."""

    #: When it was written: its name.
    written_at: str
    at: str
    group_id: str
    queue: str
    priority: str
    state_id: str
    state: State
    #: Whether it is to be told that the ticket waits in its group.
    waits: bool
    #: Whether it was closed before.
    was_closed: bool


class Ticket(NamedTuple):
    """A ticket with what its events share."""

    account: AccountRules
    #: `{"ticket": …}`, so that a fault names its place.
    given: JsonObject
    events: ContactEvents
    created_at: str

    @classmethod
    def read(cls, ticket: JsonObject, account: AccountRules) -> "Ticket":
        """Read what identifies a ticket."""
        given = {"ticket": ticket}
        kind = text_at(given, "ticket.create_article_type").casefold()
        channel = account.channels.get(kind) or account.channel or _CHANNELS.get(kind)
        if channel is None:
            raise UnmappableError(
                "ticket.create_article_type",
                f"is {kind[:64]!r}, which is not known: name it in `channels` of the account",
            )
        events = ContactEvents(account, text_at(given, "ticket.id"), channel)
        return cls(account, given, events, time_at(given, "ticket.created_at"))

    @property
    def is_first_known(self) -> bool:
        """Whether nobody has written since its first article, so that its whole life is known from its start.

        Zammad does not count its own articles, such as an acknowledgement.
        """
        count = value_at(self.given, "ticket.article_count")
        return isinstance(count, int) and count <= 1

    def version_at(self, at: str) -> str:
        """Give the time from which on a version is so, by when it was written."""
        since = datetime.fromisoformat(at) - datetime.fromisoformat(self.created_at)
        return self.created_at if since <= _CREATION else at

    def state_named(self, state_id: str, name: str) -> State:
        """Tell what a state means: as `states` of the account says, or as Zammad ships it."""
        for known in (state_id, name):
            if known in self.account.states:
                return self.account.states[known]
        found = _STATES.get(name.casefold()) or _STATES.get(state_id)
        if found is None:
            raise UnmappableError("ticket.state", "is a state of your own: say in `states` of the account what it is")
        return found


def name_at(given: JsonObject, path: str) -> str:
    """Return a name that the webhook writes as an object with `name`, and the API as text."""
    found = value_at(given, path)
    return optional_text_at(given, f"{path}.name" if isinstance(found, dict) else path)


def priority_named(name: str) -> str:
    """Translate a priority such as "3 high"; empty where it is one of the account's own."""
    return next((word for word in _PRIORITY_WORDS if word in name.casefold().split()), "")


def add_started(ticket: Ticket) -> None:
    """Add that the ticket exists: whoever wrote its first article began it."""
    sender = text_at(ticket.given, "ticket.create_article_sender").casefold()
    if sender not in {"customer", "agent", "system"}:
        raise UnmappableError("ticket.create_article_sender", "must be Customer, Agent or System")
    ticket.events.add(
        "contact.started",
        ticket.created_at,
        "created",
        direction=None if sender == "customer" else "outbound",
        initiated_by=None if sender == "customer" else sender,
        customer_id=customer_pseudonym(ticket.account, optional_text_at(ticket.given, "ticket.customer_id")),
    )


def add_article(ticket: Ticket, article: Any) -> bool:  # noqa: ANN401 - JSON
    """Add an article as a message, and tell whether an agent answered with it.

    A note reaches nobody; a mail is sent also where the article is internal.
    """
    given = {"article": article}
    sender = text_at(given, "article.sender").casefold()
    kind = text_at(given, "article.type").casefold()
    if kind not in _CHANNELS and kind not in ticket.account.channels:
        raise UnmappableError(
            "article.type", f"is {kind[:64]!r}, which is not known: name it in `channels` of the account"
        )
    written_by = optional_text_at(given, "article.created_by_id")
    fields: dict[str, Any]
    if sender == "customer":
        automatic = value_at(given, "article.preferences.is-auto-response") is True
        fields = {"author": "customer", "automatic": automatic or None}
    elif sender == "system" or (sender == "agent" and written_by == _SYSTEM_USER):
        fields = {"author": "system", "automatic": True, "public": None if kind != "note" else False}
    elif sender == "agent":
        reaches = kind != "note" and not (kind == "web" and value_at(given, "article.internal") is True)
        fields = {"author": "agent", "agent_id": _agent(ticket, written_by), "public": None if reaches else False}
        if written_by in ticket.account.bots:
            fields |= {"author": "bot", "agent_id": None}
    else:
        raise UnmappableError("article.sender", "must be Customer, Agent or System")
    at = time_at(given, "article.created_at")
    ticket.events.add("message.sent", at, "article", text_at(given, "article.id"), **fields)
    return fields["author"] == "agent" and fields["public"] is None


def _agent(ticket: Ticket, written_by: str) -> str:
    if not written_by:
        raise UnmappableError("article.created_by_id", "is missing")
    return ticket.account.agent_id(written_by)


def version_now(ticket: Ticket) -> Version:
    """Read the version that a webhook tells."""
    given, account = ticket.given, ticket.account
    group_id, state_id = optional_text_at(given, "ticket.group_id"), text_at(given, "ticket.state_id")
    written_at = time_at(given, "ticket.updated_at")
    answered = value_at(given, "ticket.first_response_at") or value_at(given, "ticket.last_contact_agent_at")
    return Version(
        written_at=written_at,
        at=ticket.version_at(written_at),
        group_id=group_id,
        queue=account.queue_named(group_id, name_at(given, "ticket.group")),
        priority=priority_named(name_at(given, "ticket.priority")),
        state_id=state_id,
        state=ticket.state_named(state_id, name_at(given, "ticket.state")),
        waits=not answered,
        was_closed=bool(value_at(given, "ticket.close_at")),
    )


def add_version(ticket: Ticket, version: Version) -> None:
    """Add what is so from a version on."""
    add, at, name = ticket.events.add, version.at, version.written_at
    # A reply comes before the group that the ticket is passed on to with it. Versions of the creation have one time.
    later = datetime.fromisoformat(name) - datetime.fromisoformat(at)
    known: dict[str, Any] = {"queue": version.queue, "priority": version.priority, "seq": 1 + later // _MILLISECOND}
    state = ("state", version.state_id, name)
    if version.state == "open":
        if version.waits and version.queue:
            add("contact.queued", at, "group", version.group_id, name, **known)
        add("contact.unpaused", at, *state, **known)
        if version.was_closed:
            add("contact.reopened", at, "reopened", name, **known)
    elif version.state in {"paused", "paused_third_party"}:
        third: dict[str, Any] = {"for_": "third_party"} if version.state == "paused_third_party" else {}
        if version.was_closed:  # what waits is open, also where the webhook that said so was lost
            add("contact.reopened", at, "reopened", name, **known)
            known["seq"] += 1
        add("contact.paused", at, *state, **known, **third)
    elif version.state == "resolved":
        add("contact.resolved", at, *state, **known)
    else:
        add("contact.discarded", at, *state, **known, reason="merged" if version.state == "merged" else "other")
