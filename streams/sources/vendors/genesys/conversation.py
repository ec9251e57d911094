"""A conversation as the details job and query give it: participants, their sessions, and the segments of each.

The same conversation is in several intervals, and while it is open its last segments have no end. Segments that have
ended give the same events as detail events do, with the same ids; the others are left for a later import.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from schemas.topics import Channel
from streams.sources.adapter import AccountRules, Mapped, UnmappableError, shortened
from streams.sources.contact_events import ContactEvents
from streams.sources.pseudonyms import pseudonym
from streams.sources.vendor_values import (
    JsonObject,
    earlier,
    list_at,
    ms_of,
    optional_text_at,
    text_at,
    time_at,
    value_at,
)
from streams.sources.vendors.genesys import media
from streams.sources.vendors.genesys.quality import add_quality

_CUSTOMERS: Final = frozenset({"customer", "external"})
_USERS: Final = frozenset({"agent", "user"})
#: Of a session that waited: the customer left. Short ones have a second metric of their own, which adds nothing.
_ABANDONS: Final = frozenset({"tAbandon", "tShortAbandon"})
#: A customer's turn was answered, at the metric's time.
_REPLY: Final = "tAgentResponseTime"
_TALK: Final = frozenset({"interact", "hold"})


class _Segment(NamedTuple):
    kind: str
    start: str
    #: Empty while it is open.
    end: str
    how: str
    queue: str
    code: str


class _Session(NamedTuple):
    """A session of a participant."""

    session_id: str
    media_type: str
    channel: Channel
    direction: str
    segments: tuple[_Segment, ...]
    #: Name and time of each metric.
    metrics: tuple[tuple[str, str], ...]

    @property
    def start(self) -> str:
        """When it began; empty where it has no segment."""
        return min((segment.start for segment in self.segments), default="")

    @property
    def end(self) -> str:
        """When it ended; empty while any of its segments is open."""
        ends = [segment.end for segment in self.segments]
        return max(ends) if ends and all(ends) else ""

    def of(self, kinds: Iterable[str]) -> list[_Segment]:
        """Return the segments of some kinds, in order."""
        return [segment for segment in self.segments if segment.kind in kinds]

    def has(self, names: Iterable[str]) -> bool:
        """Tell whether it has one of these metrics."""
        return any(name in names for name, _ in self.metrics)


class _Conversation:
    """Writes the facts of a conversation, a contact a channel."""

    def __init__(self, conversation: JsonObject, account: AccountRules) -> None:
        self._id = text_at(conversation, "conversationId")
        self._is_over = bool(optional_text_at(conversation, "conversationEnd"))
        self._account = account
        self._has_replies = False
        self._contacts: dict[Channel, ContactEvents] = {}
        #: The customer's sessions, of which the first in a channel began the contact there.
        self._customers: list[tuple[_Session, str]] = []

    def contact(self, session: _Session) -> ContactEvents:
        if session.channel not in self._contacts:
            self._contacts[session.channel] = media.contact_of(self._account, self._id, session.channel)
        return self._contacts[session.channel]

    def events(self, conversation: JsonObject) -> Mapped:
        found = [(participant, _sessions(participant)) for participant in list_at(conversation, "participants")]
        self._has_replies = any(session.has({_REPLY}) for _, sessions in found for session in sessions)
        for participant, sessions in found:
            purpose = text_at(participant, "purpose").casefold()
            for session in sessions:
                if purpose in _CUSTOMERS:
                    self._customers.append((session, optional_text_at(participant, "externalContactId")))
                elif purpose == "acd":
                    self._of_queue(session)
                elif purpose in _USERS:
                    self._of_user(session, optional_text_at(participant, "userId"))
        self._of_customers()
        told = [contact for contact in self._contacts.values() if contact.events]
        if told:  # with the channel that came first, where there are several
            first = min(told, key=lambda each: min(event["occurred_at"] for event in each.events))
            add_quality(first, conversation, self._account)
        events = tuple(event for contact in self._contacts.values() for event in contact.events)
        return Mapped(events, "" if events else "nothing of it is over that counts")

    def _of_customers(self) -> None:
        for channel in dict.fromkeys(session.channel for session, _ in self._customers):
            mine = [each for each in self._customers if each[0].channel == channel and each[0].start]
            if not mine:
                continue
            first, customer = min(mine, key=lambda each: each[0].start)
            outbound = first.direction == "outbound"
            self.contact(first).add(
                "contact.started",
                first.start,
                first.session_id,
                "start",
                seq=media.STARTED,
                direction="outbound" if outbound else "inbound",
                initiated_by="agent" if outbound else "customer",
                customer_id=pseudonym(self._account.pseudonym_key, customer),
            )
            spoken = [session for session, _ in mine if media.plain(session.media_type) != "CALLBACK"]
            if spoken and (end := min(spoken, key=lambda each: each.start).end):
                media.leave(self.contact(first), end, channel, media.CUSTOMER_END)

    def _of_queue(self, session: _Session) -> None:
        waits = [segment for segment in session.segments if segment.queue]
        if not waits:
            return
        contact, queue = self.contact(session), self._account.queue_named(waits[0].queue)
        contact.add("contact.queued", session.start, session.session_id, "queued", seq=media.QUEUED, queue=queue)
        end = session.end
        if not end or not session.metrics:
            return  # open
        if session.has({"tAnswered"}):  # by whom, the user's session tells
            self._of_answer(contact, session, end)
        elif session.has(_ABANDONS):
            media.abandon(contact, session.session_id, end, session.channel)
        else:
            contact.add("contact.dequeued", end, session.session_id, "end", seq=media.SESSION_ENDED, reason="other")

    def _of_answer(self, contact: ContactEvents, session: _Session, at: str) -> None:
        """Say that a chat was answered; where response times are known, take back what stood for them."""
        if session.channel == "chat" and self._has_replies:
            voids = shortened(f"{session.session_id}:accepted")
            contact.add("event.voided", at, session.session_id, "voids:accepted", seq=media.TAKEN_BACK, voids=voids)
        elif session.channel == "chat":
            media.accept(contact, session.session_id, at)

    def _of_user(self, session: _Session, user: str) -> None:
        talk = session.of(_TALK)
        alerts = session.of({"alert"})
        if not (talk or alerts) or user in self._account.bots:
            return
        if not user:
            raise UnmappableError("participants.userId", "is missing, although the participant was connected")
        agent, contact = self._account.agent_id(user), self.contact(session)
        if talk:
            self._of_talk(contact, session, talk, agent)
        elif session.has({"tNotResponding"}) and session.end:
            contact.add(
                "contact.missed", session.end, session.session_id, "missed", seq=media.SESSION_ENDED, agent_id=agent
            )
        for segment in session.of({"wrapup"}):
            if segment.end:
                media.code(contact, session.session_id, segment.end, segment.code)
        wraps = [segment.end for segment in session.of({"wrapup"})]
        if wraps and all(wraps):
            at = max(wraps)
            contact.add("contact.wrapped", at, session.session_id, "wrapped", seq=media.WRAPPED, agent_id=agent)

    def _of_talk(self, contact: ContactEvents, session: _Session, talk: list[_Segment], agent: str) -> None:
        ours, of_agent = session.session_id, {"agent_id": agent}
        queue = self._account.queue_named(talk[0].queue) if talk[0].queue else ""
        contact.add("contact.connected", talk[0].start, ours, "connected", seq=media.CONNECTED, queue=queue, **of_agent)
        if session.channel != "call":
            for name, at in session.metrics:
                if name == _REPLY and at:
                    contact.add("message.sent", at, ours, "reply", at, seq=media.HELD, author="agent", **of_agent)
        if not all(segment.end for segment in talk) or not (talk[-1].how or session.of({"wrapup"}) or self._is_over):
            return
        end = max(segment.end for segment in talk)
        held = sum(_length(segment) for segment in talk if segment.kind == "hold")
        if held:
            # As detail events have it, which know only how long; so that both together are not twice as long.
            contact.add("contact.held", earlier(end, held), ours, "held", seq=media.HELD, **of_agent)
            contact.add("contact.resumed", end, ours, "resumed", seq=media.RESUMED, **of_agent)
        kind = "contact.transferred" if talk[-1].how in media.TRANSFERS else "contact.disconnected"
        contact.add(kind, end, ours, "end", seq=media.SESSION_ENDED, **of_agent)


def map_conversation(conversation: JsonObject, account: AccountRules) -> Mapped:
    """Map a conversation of a details job or query."""
    return _Conversation(conversation, account).events(conversation)


def _sessions(participant: JsonObject) -> list[_Session]:
    found = []
    for session in list_at(participant, "sessions"):
        media_type = text_at(session, "mediaType")
        channel = media.channel_of(media_type, "sessions.mediaType")
        if channel is None:
            continue
        segments = sorted((_segment(each) for each in list_at(session, "segments")), key=lambda each: each.start)
        metrics = tuple(
            (text_at(each, "name"), "" if value_at(each, "emitDate") is None else time_at(each, "emitDate"))
            for each in list_at(session, "metrics")
        )
        direction = optional_text_at(session, "direction").casefold()
        found.append(_Session(text_at(session, "sessionId"), media_type, channel, direction, tuple(segments), metrics))
    return found


def _segment(segment: JsonObject) -> _Segment:
    return _Segment(
        text_at(segment, "segmentType").casefold(),
        time_at(segment, "segmentStart"),
        "" if value_at(segment, "segmentEnd") is None else time_at(segment, "segmentEnd"),
        media.plain(optional_text_at(segment, "disconnectType")),
        optional_text_at(segment, "queueId"),
        optional_text_at(segment, "wrapUpCode"),
    )


def _length(segment: _Segment) -> int:
    return max(0, ms_of(segment.end) - ms_of(segment.start))
