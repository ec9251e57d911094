"""Detail events: each is one fact of a session of a conversation. They have no id: session and fact make one.

The time at which a user answered comes twice: at once by the queue's session (`acd.end`, ANSWERED), and at the end by
the user's session (`user.end`, by its durations). Both become events: a second connection of the same agent changes
nothing.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from schemas.topics import Channel
from streams.sources.adapter import AccountRules, Mapped, UnmappableError
from streams.sources.contact_events import ContactEvents
from streams.sources.pseudonyms import pseudonym
from streams.sources.vendor_values import JsonObject, earlier, number_at, optional_text_at, text_at, time_at, value_at
from streams.sources.vendors.genesys import media

_TOPIC: Final = re.compile(r"v2\.detail\.events\.conversation\.[^.]+\.(.+)")
#: No single activity lasts longer; it keeps sums of durations small.
_MOST_MS: Final = 2**40


class _Fact(NamedTuple):
    """A detail event's body, and what every event needs of it."""

    body: JsonObject
    account: AccountRules
    contact: ContactEvents
    channel: Channel
    session: str
    at: str


def map_detail_event(topic: str, body: JsonObject, account: AccountRules) -> Mapped:
    """Map a detail event by its topic, such as `v2.detail.events.conversation.{id}.acd.end`."""
    found = _TOPIC.fullmatch(topic)
    if found is None:
        return Mapped(nothing=f"{topic[:100]}: no detail event of a conversation")
    kind = found.group(1)
    add = _FACTS.get(kind)
    if add is None:
        return Mapped(nothing=f"{kind[:64]}: nothing that counts")
    channel = media.channel_of(text_at(body, "mediaType"))
    if channel is None:
        return Mapped(nothing=f"{kind}: of a screen beside the conversation")
    contact = media.contact_of(account, text_at(body, "conversationId"), channel)
    fact = _Fact(body, account, contact, channel, text_at(body, "sessionId"), time_at(body, "eventTime"))
    why = add(fact)
    return Mapped(tuple(contact.events), "" if contact.events else f"{kind}: {why}")


def _customer_start(fact: _Fact) -> str:
    outbound = optional_text_at(fact.body, "direction").upper() == "OUTBOUND"
    fact.contact.add(
        "contact.started",
        fact.at,
        fact.session,
        "start",
        seq=media.STARTED,
        direction="outbound" if outbound else "inbound",
        initiated_by="agent" if outbound else "customer",
        customer_id=pseudonym(fact.account.pseudonym_key, optional_text_at(fact.body, "externalContactId")),
    )
    return ""


def _customer_end(fact: _Fact) -> str:
    if media.plain(text_at(fact.body, "mediaType")) == "CALLBACK":
        return "the order of a callback ended, not the contact"
    media.leave(fact.contact, fact.at, fact.channel, media.CUSTOMER_END)
    return ""


def _acd_start(fact: _Fact) -> str:
    queue = fact.account.queue_named(text_at(fact.body, "queueId"))
    fact.contact.add("contact.queued", fact.at, fact.session, "queued", seq=media.QUEUED, queue=queue)
    return ""


def _acd_end(fact: _Fact) -> str:
    outcome = media.plain(text_at(fact.body, "acdOutcome"))
    if outcome == "ABANDON":
        media.abandon(fact.contact, fact.session, fact.at, fact.channel)
    elif outcome == "FLOWOUT":
        fact.contact.add("contact.dequeued", fact.at, fact.session, "end", seq=media.SESSION_ENDED, reason="other")
    elif outcome != "ANSWERED":
        raise UnmappableError("acdOutcome", f"{outcome[:32]} is none of ABANDON, ANSWERED and FLOW_OUT")
    else:
        user = optional_text_at(fact.body, "answeredUserId")
        if not user:
            return "who answered is known at the end of the user's session"
        if user in fact.account.bots:
            return "answered by a bot"
        _connect(fact, fact.at, "answered", user)
        if fact.channel == "chat":
            media.accept(fact.contact, fact.session, fact.at)
    return ""


def _connect(fact: _Fact, at: str, what: str, user: str) -> None:
    """Say that a user answered; with the queue, which a call out has too, although nobody waited in it."""
    queue = optional_text_at(fact.body, "queueId")
    known = {"agent_id": fact.account.agent_id(user), "queue": fact.account.queue_named(queue) if queue else ""}
    fact.contact.add("contact.connected", at, fact.session, what, seq=media.CONNECTED, **known)


def _user_end(fact: _Fact) -> str:
    user = text_at(fact.body, "userId")
    if user in fact.account.bots:
        return "a bot's session"
    agent, contact, session = fact.account.agent_id(user), fact.contact, fact.session
    talked, held = _duration(fact.body, "interactingDurationMs"), _duration(fact.body, "heldDurationMs")
    how = media.plain(optional_text_at(fact.body, "disconnectType"))
    if talked + held == 0:
        if _duration(fact.body, "alertingDurationMs") == 0 or how not in media.UNANSWERED:
            return "never connected, and no sign that the user let it ring"
        contact.add("contact.missed", fact.at, session, "missed", seq=media.SESSION_ENDED, agent_id=agent)
        return ""
    _connect(fact, earlier(fact.at, talked + held), "connected", user)
    if held:
        # How long is known, not when: it is put at the end, where it moves nothing else.
        contact.add("contact.held", earlier(fact.at, held), session, "held", seq=media.HELD, agent_id=agent)
        contact.add("contact.resumed", fact.at, session, "resumed", seq=media.RESUMED, agent_id=agent)
    kind = "contact.transferred" if how in media.TRANSFERS else "contact.disconnected"
    contact.add(kind, fact.at, session, "end", seq=media.SESSION_ENDED, agent_id=agent)
    return ""


def _after_call_work(fact: _Fact) -> str:
    user = text_at(fact.body, "userId")
    if user in fact.account.bots:
        return "a bot's session"
    media.code(fact.contact, fact.session, fact.at, optional_text_at(fact.body, "wrapupCode"))
    agent = fact.account.agent_id(user)
    fact.contact.add("contact.wrapped", fact.at, fact.session, "wrapped", seq=media.WRAPPED, agent_id=agent)
    return ""


def _wrap_up(fact: _Fact) -> str:
    media.code(fact.contact, fact.session, fact.at, optional_text_at(fact.body, "wrapupCode"))
    return "no code that anybody chose"


_FACTS: Final[Mapping[str, Callable[[_Fact], str]]] = {
    "customer.start": _customer_start,
    "customer.end": _customer_end,
    "acd.start": _acd_start,
    "acd.end": _acd_end,
    "user.end": _user_end,
    "acw": _after_call_work,
    "wrapup": _wrap_up,
}


def _duration(body: JsonObject, name: str) -> int:
    if value_at(body, name) is None:
        return 0
    found = number_at(body, name)
    if not (0 <= found <= _MOST_MS and found.is_integer()):
        raise UnmappableError(name, "must be whole milliseconds, not negative")
    return int(found)
