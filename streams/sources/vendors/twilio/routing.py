"""What TaskRouter's events mean: a task is a contact, a reservation that is accepted is an agent's work on it.

Names and fields beyond those that Twilio's reference lists are taken only where they are there; a transfer without the
worker who began it, a task without a channel and an activity of unknown meaning are refused, not guessed.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from schemas.events import Status
from schemas.topics import Channel
from streams.sources.adapter import AccountRules, Mapped, UnmappableError
from streams.sources.contact_events import ContactEvents, agent_status
from streams.sources.pseudonyms import pseudonym
from streams.sources.vendor_values import JsonObject, optional_text_at
from streams.sources.vendors.twilio.task_events import TaskEvent, attributes_at

#: Twilio's task channels; `channels` of the account comes first.
_CHANNELS: Final[Mapping[str, Channel]] = {
    "voice": "call",
    "chat": "chat",
    "sms": "chat",
    "web": "chat",
    "whatsapp": "chat",
    "messenger": "chat",
    "facebook": "chat",
    "email": "email",
}
#: Activities of a new workspace, of Flex and of TaskRouter before it; every other name is the centre's own.
_ACTIVITIES: Final[Mapping[str, Status]] = {
    "available": "available",
    "idle": "available",
    "busy": "busy",
    "reserved": "busy",
    "offline": "offline",
    "unavailable": "away",
    "break": "away",
}
#: Where a task says who the customer is, the surest first.
_CUSTOMER: Final = ("customers.external_id", "from", "caller", "customerAddress")
_WORKER_EVENTS: Final = frozenset({"worker.activity.update", "worker.activity"})


class _Meaning(NamedTuple):
    """What an event becomes, and where it stands among others of the same second."""

    seq: int
    add: Callable[[ContactEvents, TaskEvent, AccountRules, int], None]


def map_task_event(event: TaskEvent, account: AccountRules) -> Mapped:
    """Map one event."""
    if event.kind in _WORKER_EVENTS:
        return _of_worker(event, account)
    meaning = _MEANINGS.get(event.kind)
    if meaning is None:
        why = _NOTHING.get(event.kind, "not about a task that waits or is worked on")
        return Mapped(nothing=f"{event.kind[:64]}: {why}")
    if _of_bot(event, account):
        return Mapped(nothing=f"{event.kind}: its worker is a bot")
    if event.kind == "task-queue.entered" and _is_outbound(event):
        return Mapped(nothing=f"{event.kind}: nobody waits in the queue of a call out")
    contact = _contact_of(event, account)
    meaning.add(contact, event, account, meaning.seq)
    return Mapped(tuple(contact.events))


def _of_bot(event: TaskEvent, account: AccountRules) -> bool:
    """Whether the worker that the event is about is a bot."""
    return event.kind.startswith("reservation.") and event.optional("worker_sid") in account.bots


def _contact_of(event: TaskEvent, account: AccountRules) -> ContactEvents:
    """Name the contact: a task, or the conversation that a chat's task is about, so that messages meet it."""
    name = event.optional("task_channel_unique_name")
    channel = account.channels.get(name) or _CHANNELS.get(name.casefold()) or account.channel
    if channel is None:
        what = f"{name} is no channel that is known: name it in `channels` of the account" if name else "is missing"
        raise UnmappableError("task_channel_unique_name", what)
    native = event.text("task_sid")
    if channel == "chat":
        attributes = attributes_at(event, "task_attributes")
        if attributes is None or (event.is_row and not attributes):
            problem = "is missing, or redacted (after 30 days): whether the task is a conversation cannot be known"
            raise UnmappableError("task_attributes", problem)
        native = _first(attributes, ("conversationSid", "channelSid")) or native
    return ContactEvents(account, native, channel)


def _queue(event: TaskEvent, account: AccountRules) -> str:
    return account.queue_named(event.optional("task_queue_sid"), event.optional("task_queue_name"))


def _agent(event: TaskEvent, account: AccountRules) -> str:
    return account.agent_id(event.text("worker_sid"))


def _first(within: JsonObject, paths: tuple[str, ...]) -> str:
    for path in paths:
        try:
            found = optional_text_at(within, path)
        except UnmappableError:  # attributes are the centre's own: what is no text names nothing
            continue
        if found:
            return found
    return ""


def _is_outbound(event: TaskEvent) -> bool:
    """Whether an agent began it, as Flex writes into a task's attributes."""
    attributes = attributes_at(event, "task_attributes") or {}
    return _first(attributes, ("direction",)).casefold().startswith("outbound")


def _started(contact: ContactEvents, event: TaskEvent, account: AccountRules, seq: int) -> None:
    attributes, outbound = attributes_at(event, "task_attributes") or {}, _is_outbound(event)
    contact.add(
        "contact.started",
        event.at,
        event.sid,
        seq=seq,
        direction="outbound" if outbound else "inbound",
        initiated_by="agent" if outbound else "customer",
        customer_id=pseudonym(account.pseudonym_key, _first(attributes, _CUSTOMER)),
    )


def _queued(contact: ContactEvents, event: TaskEvent, account: AccountRules, seq: int) -> None:
    contact.add("contact.queued", event.at, event.sid, seq=seq, queue=_queue(event, account))


def _timed_out(contact: ContactEvents, event: TaskEvent, account: AccountRules, seq: int) -> None:
    del account
    contact.add("contact.dequeued", event.at, event.sid, seq=seq, reason="timeout")


def _missed(contact: ContactEvents, event: TaskEvent, account: AccountRules, seq: int) -> None:
    contact.add("contact.missed", event.at, event.sid, seq=seq, agent_id=_agent(event, account))


def _connected(contact: ContactEvents, event: TaskEvent, account: AccountRules, seq: int) -> None:
    agent = _agent(event, account)
    # An event that names no queue leaves the contact in the one that it is in.
    is_named = event.optional("task_queue_sid") or event.optional("task_queue_name")
    queue = _queue(event, account) if is_named else ""
    contact.add("contact.connected", event.at, event.sid, seq=seq, agent_id=agent, queue=queue)


def _disconnected(contact: ContactEvents, event: TaskEvent, account: AccountRules, seq: int) -> None:
    contact.add("contact.disconnected", event.at, event.sid, seq=seq, agent_id=_agent(event, account))


def _wrapped(contact: ContactEvents, event: TaskEvent, account: AccountRules, seq: int) -> None:
    contact.add("contact.wrapped", event.at, event.sid, seq=seq, agent_id=_agent(event, account))


def _transferred(contact: ContactEvents, event: TaskEvent, account: AccountRules, seq: int) -> None:
    # The queue that it goes to has told of its entry by itself; named here it would open a second visit.
    agent = account.agent_id(event.text("transfer_initiating_worker_sid"))
    contact.add("contact.transferred", event.at, event.sid, seq=seq, agent_id=agent)


def _completed(contact: ContactEvents, event: TaskEvent, account: AccountRules, seq: int) -> None:
    del account
    outcome = _first(attributes_at(event, "task_attributes") or {}, ("conversations.outcome",))
    if outcome:
        contact.add("contact.tagged", event.at, event.sid, "outcome", seq=seq, tags=[outcome[:128]], replace=True)
    contact.add("contact.resolved", event.at, event.sid, seq=seq + 1)


def _abandoned(contact: ContactEvents, event: TaskEvent, account: AccountRules, seq: int) -> None:
    del account
    kind = "contact.disconnected" if _is_outbound(event) else "contact.abandoned"
    contact.add(kind, event.at, event.sid, seq=seq)


def _of_worker(event: TaskEvent, account: AccountRules) -> Mapped:
    """Map a change of a worker's activity; how long the former one was is not needed, whatever its unit."""
    worker, name = event.text("worker_sid"), event.text("worker_activity_name")
    if worker in account.bots:
        return Mapped(nothing=f"{event.kind}: its worker is a bot")
    status = account.activities.get(name) or _ACTIVITIES.get(name.casefold())
    if status is None:
        problem = f"{name[:64]} is an activity of the centre's own: say in `activities` of the account what it means"
        raise UnmappableError("worker_activity_name", problem)
    reason = name[:256] if status == "away" else ""
    return Mapped((agent_status(account, worker, status, event.at, event.sid, reason=reason),))


_MEANINGS: Final[Mapping[str, _Meaning]] = {
    "task.created": _Meaning(1, _started),
    "task-queue.timeout": _Meaning(2, _timed_out),
    "workflow.timeout": _Meaning(2, _timed_out),
    "task-queue.entered": _Meaning(3, _queued),
    "reservation.rejected": _Meaning(4, _missed),
    "reservation.timeout": _Meaning(4, _missed),
    "reservation.accepted": _Meaning(5, _connected),
    "task.transfer-completed": _Meaning(6, _transferred),
    "reservation.wrapup": _Meaning(7, _disconnected),
    "reservation.completed": _Meaning(8, _wrapped),
    "task.canceled": _Meaning(9, _abandoned),
    "task.completed": _Meaning(10, _completed),
}
#: Why others mean nothing.
_NOTHING: Final[Mapping[str, str]] = {
    "reservation.created": "an offer; what comes of it counts",
    "reservation.canceled": "the offer was taken back, as the customer left",
    "reservation.rescinded": "the offer was taken back, as another worker accepted",
    "task-queue.moved": "the entry into the next queue tells it",
    "task-queue.exited": "what follows tells why",
    "task.wrapup": "the reservation tells it",
    "task.updated": "nothing that counts",
    "task.transfer-initiated": "the transfer's completion counts",
    "task.deleted": "a record was tidied away",
    "task.system-deleted": "a record was tidied away",
}
