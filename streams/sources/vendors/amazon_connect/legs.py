"""The events of a leg, which is what Amazon Connect calls a contact.

A transfer or callback begins the next leg; all legs are one contact here. Contact events and contact records are both
snapshots of a leg. Each fact in a snapshot becomes an event whose id is made of the leg and the fact. So it does not
matter which snapshots came, in which order and how often.

At a leg's end it is not known whether another follows. It ends as if the customer had left, and the next leg takes that
back with `event.voided`, which may come before or after.
"""

from typing import Final, NamedTuple

from schemas.topics import Channel
from streams.sources.adapter import AccountRules, Mapped, UnmappableError, shortened
from streams.sources.contact_events import ContactEvents
from streams.sources.pseudonyms import pseudonym
from streams.sources.vendor_values import earlier
from streams.sources.vendors.amazon_connect.spelling import id_of

_CHANNELS: Final[dict[str, Channel]] = {"VOICE": "call", "CHAT": "chat", "EMAIL": "email"}
#: Methods that begin a contact, with its direction and who began it; an API begins calls out, but chats of customers.
_BEGIN: Final = {
    "INBOUND": ("inbound", "customer"),
    "WEBRTC_API": ("inbound", "customer"),
    "CALLBACK": ("inbound", "customer"),
    "OUTBOUND": ("outbound", "agent"),
    "EXTERNAL_OUTBOUND": ("outbound", "system"),
    "FLOW": ("outbound", "system"),
    "API": ("inbound", "customer"),
}
#: Methods of a leg that goes on where another ended.
_FOLLOW: Final = frozenset({"TRANSFER", "QUEUE_TRANSFER", "CALLBACK"})
#: A hold is put no further back than this.
_MOST_S: Final = 2**31
_NOTHING: Final = {
    "MONITOR": "a supervisor listens",
    "AGENT_REPLY": "an agent's reply has no place among its contact's messages",
}


class Leg(NamedTuple):
    """What is known of a leg; "" = unknown. Times are RFC 3339 in UTC with milliseconds, which compare as text."""

    leg_id: str
    initial: str
    previous: str
    channel: str
    method: str
    initiated: str = ""
    enqueued: str = ""
    queue_arn: str = ""
    queue_type: str = ""
    agent_arn: str = ""
    #: ARNs or ids of the agent's groups, the highest first.
    groups: tuple[str, ...] = ()
    connected: str = ""
    disconnected: str = ""
    reason: str = ""
    hold_s: float = 0
    wrap_began: str = ""
    wrap_ended: str = ""
    first_reply: str = ""
    customer: str = ""
    #: Whether it is known that another leg follows; contact events never know.
    followed: bool = False


def map_leg(leg: Leg, account: AccountRules) -> Mapped:
    """Map a snapshot of a leg."""
    if leg.method in _NOTHING:
        return Mapped(nothing=f"{leg.method}: {_NOTHING[leg.method]}")
    if leg.method == "DISCONNECT" and leg.initial not in {"", leg.leg_id} and not (leg.queue_arn or leg.agent_arn):
        return Mapped(nothing="DISCONNECT: a flow that runs after the contact's end")
    if leg.channel == "TASK":
        return Mapped(nothing="TASK: a task is no contact with a customer")
    channel = _CHANNELS.get(leg.channel)
    if channel is None:
        raise UnmappableError("channel", f"{leg.channel[:32]} is none of VOICE, CHAT, EMAIL and TASK")
    contact = ContactEvents(account, leg.initial or leg.leg_id, channel)
    _Written(leg, contact, account, channel).write()
    if not contact.events:
        return Mapped(nothing="nothing that counts is known of it yet")
    return Mapped(tuple(contact.events))


class _Written:
    """Writes what a leg knows; `seq` orders what has times in whole seconds."""

    def __init__(self, leg: Leg, contact: ContactEvents, account: AccountRules, channel: Channel) -> None:
        self._leg = leg
        self._contact = contact
        self._account = account
        self._channel = channel
        self._is_first = leg.initial in {"", leg.leg_id}
        self._outbound = leg.method in {"OUTBOUND", "EXTERNAL_OUTBOUND", "FLOW"} or self._calls_by_api()

    def write(self) -> None:
        self._begin()
        self._wait()
        self._work()
        self._end()

    def _calls_by_api(self) -> bool:
        return self._leg.method == "API" and self._channel == "call"

    def _add(self, kind: str, at: str, fact: str, seq: int, **fields: object) -> None:
        self._contact.add(kind, at, self._leg.leg_id, fact, seq=seq, **fields)

    def _begin(self) -> None:
        leg = self._leg
        if not self._is_first:
            self._follow()
            return
        if leg.method not in _BEGIN:
            if leg.method in {*_FOLLOW, "DISCONNECT"}:
                raise UnmappableError(
                    "initialContactId", f"is missing, although {leg.method} is no contact's beginning"
                )
            raise UnmappableError("initiationMethod", f"{leg.method[:32] or 'nothing'} is not known")
        if leg.initiated:
            direction, by = ("outbound", "system") if self._calls_by_api() else _BEGIN[leg.method]
            customer = pseudonym(self._account.pseudonym_key, leg.customer)
            known = {"direction": direction, "initiated_by": by, "customer_id": customer}
            self._add("contact.started", leg.initiated, "started", 1, **known)

    def _follow(self) -> None:
        """Take back that the leg before was the end, and say why this one goes on."""
        leg = self._leg
        if leg.method not in _FOLLOW or not leg.initiated:
            return
        previous = leg.previous or leg.initial
        for end in ("abandoned", "resolved"):
            self._add("event.voided", leg.initiated, f"voids:{end}", 2, voids=shortened(f"{previous}:{end}"))
        if leg.method == "CALLBACK":
            self._add("contact.dequeued", leg.initiated, "callback", 3, reason="callback")
        elif leg.method == "TRANSFER":
            # Of the agent in force; the record of the leg before knows who it was, and when.
            self._contact.add("contact.transferred", leg.initiated, previous, "transferred", seq=8)

    def _wait(self) -> None:
        leg = self._leg
        late = any(end and leg.enqueued > end for end in (leg.disconnected, leg.connected))
        if leg.enqueued and leg.queue_arn and not late and not self._outbound:
            self._add("contact.queued", leg.enqueued, "queued", 4, queue=self._queue())

    def _queue(self) -> str:
        """Name the queue by its id, which events and records both have; agents' own queues share one name."""
        leg = self._leg
        if not leg.queue_arn:
            return ""
        if leg.queue_type == "AGENT" or "/queue/agent/" in leg.queue_arn:
            return self._account.queue_named("agent")
        return self._account.queue_named(leg.queue_arn, id_of(leg.queue_arn))

    def _work(self) -> None:
        leg = self._leg
        if not leg.connected:
            return
        groups = [id_of(group) for group in leg.groups]
        team = next((self._account.teams[group] for group in groups[::-1] if group in self._account.teams), "")
        # The queue of a call out, too, in which nobody waited.
        known = {"agent_id": self._agent(), "team": team, "queue": self._queue()}
        self._add("contact.connected", leg.connected, "connected", 5, **known)
        if self._channel == "chat":
            self._reply()

    def _reply(self) -> None:
        """Say when an agent replied first: live nobody tells, so the acceptance stands for it until a record does."""
        leg, of_agent = self._leg, {"author": "agent", "agent_id": self._agent()}
        if leg.first_reply:
            voids = shortened(f"{leg.leg_id}:accepted")
            self._add("event.voided", leg.first_reply, "voids:accepted", 2, voids=voids)
            self._add("message.sent", leg.first_reply, "first-reply", 6, **of_agent)
        else:
            self._add("message.sent", leg.connected, "accepted", 6, **of_agent)

    def _agent(self) -> str:
        agent = id_of(self._leg.agent_arn)
        if not agent:
            raise UnmappableError("agentArn", "is missing, although an agent was connected")
        return self._account.agent_id(agent)

    def _end(self) -> None:
        leg = self._leg
        if leg.agent_arn:
            self._end_of_work()
        elif leg.disconnected and not leg.followed:
            self._end_without_agent()

    def _end_of_work(self) -> None:
        leg, agent = self._leg, self._agent()
        if leg.disconnected:
            ended = min(leg.disconnected, leg.wrap_began or leg.disconnected)
            if leg.connected and leg.hold_s > 0:
                # How long is known, not when: it is put at the end of the talk, where it moves nothing else.
                held = max(earlier(ended, round(min(leg.hold_s, _MOST_S) * 1000)), leg.connected)
                self._add("contact.held", held, "held", 6, agent_id=agent)
                self._add("contact.resumed", ended, "resumed", 7, agent_id=agent)
            if leg.followed:
                self._add("contact.transferred", ended, "transferred", 8, agent_id=agent)
            self._add("contact.disconnected", ended, "disconnected", 9, agent_id=agent)
            if not leg.followed and self._channel != "call":
                self._add("contact.resolved", leg.disconnected, "resolved", 11)
        if leg.wrap_ended:
            self._add("contact.wrapped", leg.wrap_ended, "wrapped", 10, agent_id=agent)

    def _end_without_agent(self) -> None:
        leg = self._leg
        if self._outbound:
            self._add("contact.disconnected", leg.disconnected, "disconnected", 9)
        elif leg.queue_arn:
            self._add("contact.abandoned", leg.disconnected, "abandoned", 9, queue=self._queue())
        elif self._channel != "call" or leg.reason == "CONTACT_FLOW_DISCONNECT":
            self._add("contact.resolved", leg.disconnected, "resolved", 11)
        elif leg.reason == "CUSTOMER_DISCONNECT":
            self._add("contact.abandoned", leg.disconnected, "abandoned", 9)
        else:
            self._add("contact.disconnected", leg.disconnected, "disconnected", 9)
