"""Puzzel: rows of its Raw data (calls, and agents' states), states of its queues, and tickets of Puzzel Ticketing.

Raw data is a database of the customer's that Puzzel fills within five minutes after a session has ended: each row is
one step of a call, with its length. Times there have milliseconds and no zone, so the account needs `time_zone`;
durations are whole seconds. `event_type` says whether a step is a menu, a queue or a conversation, `result_code` how it
ended; an unknown code is refused. The help pages about the columns cannot be read without a login: what is not known,
such as the numbers of media types, `sources.toml` must say.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from pydantic import ValidationError

from schemas.source_gauges import QueueState
from schemas.topics import Channel
from streams.sources.adapter import FULL, AccountRules, Adapter, Feed, Hook, Mapped, Payload, Request, UnmappableError
from streams.sources.contact_events import ContactEvents, agent_status
from streams.sources.pseudonyms import pseudonym
from streams.sources.signatures import SharedSecret
from streams.sources.vendor_values import (
    JsonObject,
    json_object,
    list_at,
    number_at,
    optional_text_at,
    text_at,
    time_at,
)

_Step = Literal["menu", "queue", "conversation", "initiation"]
_STEPS: Final[Mapping[str, _Step]] = {
    "m": "menu",
    "q": "queue",
    "c": "conversation",
    "i": "initiation",
    "initiation": "initiation",
}
#: How a queue visit ended without an answer = the reason of `contact.dequeued`.
_LEFT: Final[Mapping[str, str]] = {
    "t": "timeout",
    "a": "other",
    "b": "overflow",
    "f": "overflow",
    "s": "other",
    "q": "callback",
    "d": "other",
    "c": "other",
    "e": "other",
    "?": "other",
}
_ANSWERED: Final = "k"
_MOVED: Final = "m"
_HUNG_UP: Final = "h"
#: Sequence numbers of a call's first row: they begin at 0 or at 1.
_FIRST: Final = frozenset({0, 1})
_AGENT_STATES: Final = {"i": "available", "r": "available", "p": "away", "o": "offline"}
_TICKET_EVENTS: Final = frozenset(
    {"created", "customer_message", "agent_message", "closed", "reopened", "queue", "tags"}
)
_MS: Final = 1000


def map_call_event(payload: Payload, account: AccountRules, _answers: Mapping[Request, Any]) -> Mapped:
    """Map a row of `call_events`."""
    row = json_object(payload.body)
    step = _STEPS.get(text_at(row, "event_type"))
    if step is None:
        raise UnmappableError("event_type", "must be m, q, c or initiation")
    call = text_at(row, "call_id")
    begun, rec_id = time_at(row, "dte_start", account.time_zone), text_at(row, "rec_id")
    queue = _queue(row, account) if step == "queue" else ""
    made = ContactEvents(account, call, _channel(row, account), queue=queue, customer_id=_customer(row, step, account))
    sequence = number_at(row, "call_sequence")
    if step == "initiation" or sequence in _FIRST:
        # One id for a call, whichever row tells it: of two times the earlier one stays.
        made.add("contact.started", begun, "call:started")
    if step == "menu":
        _menu(made, row, rec_id, begun)
    elif step == "queue":
        _queue_visit(made, row, rec_id, begun)
    elif step == "conversation":
        _conversation(made, row, rec_id, begun, account)
    return Mapped(tuple(made.events), "" if len(made) else "a menu that the caller went through")


def _menu(made: ContactEvents, row: JsonObject, rec_id: str, begun: str) -> None:
    if optional_text_at(row, "result_code") == _HUNG_UP:
        made.add("contact.abandoned", _later(begun, row, "duration_tot_sec"), "row", rec_id, "hung-up")


def _queue_visit(made: ContactEvents, row: JsonObject, rec_id: str, begun: str) -> None:
    result = text_at(row, "result_code")
    made.add("contact.queued", begun, "row", rec_id, "queued", seq=1)
    if result in {_ANSWERED, _MOVED}:
        return  # the conversation, or the next queue, has its own row
    ended = _later(begun, row, "duration_tot_sec")
    if result == _HUNG_UP:
        made.add("contact.abandoned", ended, "row", rec_id, "abandoned", seq=2)
    elif result in _LEFT:
        made.add("contact.dequeued", ended, "row", rec_id, "dequeued", seq=2, reason=_LEFT[result])
    else:
        raise UnmappableError("result_code", "is none of the codes of a queue that are known here")


def _conversation(made: ContactEvents, row: JsonObject, rec_id: str, begun: str, account: AccountRules) -> None:
    """Tell an agent's part: from when they spoke, as the row begins when their telephone rings."""
    agent = account.agent_id(_agent(row, account))
    if not optional_text_at(row, "dte_speak_start"):
        made.add("contact.missed", begun, "row", rec_id, "missed", agent_id=agent)
        return
    answered = time_at(row, "dte_speak_start", account.time_zone)
    made.add("contact.connected", answered, "row", rec_id, "connected", agent_id=agent, seq=1)
    ended = _later(answered, row, "duration_speak_sec")
    made.add("contact.disconnected", ended, "row", rec_id, "disconnected", agent_id=agent, seq=2)


def _later(at: str, row: JsonObject, field: str) -> str:
    """Return the time so many seconds after another."""
    seconds = number_at(row, field)
    if seconds < 0:
        raise UnmappableError(field, "must not be below 0")
    try:
        moment = datetime.fromisoformat(at) + timedelta(milliseconds=round(seconds * _MS))
    except OverflowError:
        raise UnmappableError(field, "is too long") from None
    return time_at({field: moment.isoformat()}, field)


def _channel(row: JsonObject, account: AccountRules) -> Channel:
    media = optional_text_at(row, "media_type_id")
    channel = account.channels.get(media, account.channel)
    if channel is None:
        raise UnmappableError("media_type_id", "is not in `channels` of the account, and there is no `channel`")
    return channel


def _queue(row: JsonObject, account: AccountRules) -> str:
    queue = account.queue_named(optional_text_at(row, "destination"))
    if not queue:
        raise UnmappableError("destination", "names no queue, and the account has no `queue`")
    return queue


def _customer(row: JsonObject, step: _Step, account: AccountRules) -> str:
    """Give the caller's pseudonym; in a conversation `source` may be the queue."""
    return "" if step == "conversation" else pseudonym(account.pseudonym_key, optional_text_at(row, "source"))


def _agent(row: JsonObject, account: AccountRules) -> str:
    """Name the agent by Puzzel's number of them, else by the pseudonym of the telephone that rang."""
    user = optional_text_at(row, "user_id") or optional_text_at(row, "agent_id")
    if user:
        return user
    hidden = pseudonym(account.pseudonym_key, optional_text_at(row, "destination"))
    if not hidden:
        raise UnmappableError(
            "user_id", "is missing; `destination` can be used only with `pseudonym_env` of the account"
        )
    return hidden


def map_agent_event(payload: Payload, account: AccountRules, _answers: Mapping[Request, Any]) -> Mapped:
    """Map a row of `agent_events`: a log-on, a log-off, or the begin or end of a pause."""
    row = json_object(payload.body)
    status = _AGENT_STATES.get(text_at(row, "event_type"))
    if status is None:
        raise UnmappableError("event_type", "must be i, o, p or r")
    at, rec_id = time_at(row, "dte_event", account.time_zone), text_at(row, "rec_id")
    # Also a pause that a centre calls "Wrap-up" is a pause: nobody knows whether work was done in it.
    reason = optional_text_at(row, "pause_type") if status == "away" else ""
    return Mapped(
        (agent_status(account, _agent(row, account), status, at, "row", rec_id, seq=_small(rec_id), reason=reason),)
    )


def _small(rec_id: str) -> int:
    """Order rows of one time by their number."""
    return int(rec_id) if rec_id.isascii() and rec_id.isdecimal() and len(rec_id) < len(str(2**63)) else 0


def map_ticket(payload: Payload, account: AccountRules, _answers: Mapping[Request, Any]) -> Mapped:
    """Map a webhook of Puzzel Ticketing, whose body is the template of docs/sources/puzzel.md."""
    body = json_object(payload.body)
    unfilled = next((name for name, value in body.items() if "{{" in str(value)), None)
    if unfilled is not None:
        raise UnmappableError(unfilled, "has a placeholder that Puzzel did not fill: correct the template")
    kind, ticket, at = text_at(body, "event"), text_at(body, "ticket"), time_at(body, "at", account.time_zone)
    if kind not in _TICKET_EVENTS:
        raise UnmappableError("event", f"must be one of {', '.join(sorted(_TICKET_EVENTS))}")
    queue = account.queue_named(optional_text_at(body, "queue"))
    customer = pseudonym(account.pseudonym_key, optional_text_at(body, "customer"))
    made = ContactEvents(account, f"ticket-{ticket}", account.channel or "email", queue=queue, customer_id=customer)
    agent = pseudonym(account.pseudonym_key, optional_text_at(body, "agent"))
    agent_id = account.agent_id(agent) if agent else None
    if kind == "created":
        made.add("contact.started", at, "ticket:created")
        made.add("message.sent", at, "ticket:created:message", author="customer", seq=1)
        if queue:
            made.add("contact.queued", at, "ticket:queue", queue, at, seq=2)
    elif kind == "queue":
        made.add("contact.queued", at, "ticket:queue", queue, at)
    elif kind == "customer_message":
        made.add("message.sent", at, "ticket:customer", at, author="customer")
    elif kind == "agent_message":
        made.add("message.sent", at, "ticket:agent", at, author="agent", agent_id=agent_id)
    elif kind == "closed":
        made.add("contact.resolved", at, "ticket:closed", at, agent_id=agent_id)
    elif kind == "reopened":
        made.add("contact.reopened", at, "ticket:reopened", at)
    else:
        made.add_all_tags(at, (str(tag) for tag in list_at(body, "tags")), "ticket:tags", at, seq=0)
    return Mapped(tuple(made.events))


def map_queue_state(payload: Payload, account: AccountRules, _answers: Mapping[Request, Any]) -> Mapped:
    """Map one queue of an answer of `visualqueues/stateinformation`: its state at the time of the poll.

    Puzzel's public pages name the fields, but do not say what they count. So a field with two possible meanings is not
    used (`agentsLoggedOn`, with agents in a pause or without), and a value that contradicts our reading is refused.
    """
    queue = json_object(payload.body)
    if "queueSize" not in queue and not {"result", "code"}.isdisjoint(queue):  # the envelope of an answer
        raise UnmappableError("result", "is not the list of queues")
    name = account.queue_named(text_at(queue, "id"), optional_text_at(queue, "description") or text_at(queue, "id"))
    try:
        return Mapped(states=(_queue_state(queue, name, account),))
    except UnmappableError as error:
        raise UnmappableError(error.field, error.problem, queue=name) from None


def _queue_state(queue: JsonObject, name: str, account: AccountRules) -> QueueState:
    if account.channel is None:
        raise UnmappableError("channel", "is not set for the account, and Puzzel does not send it")
    waiting, callbacks = _count(queue, "queueSize"), _optional_count(queue, "queueSizeCiq")
    longest = _optional_count(queue, "waitTimeMaxSeconds")
    if longest and waiting + (callbacks or 0) == 0:
        raise UnmappableError("waitTimeMaxSeconds", "is above 0 though nobody waits: it is not the longest wait of now")
    try:
        return QueueState(
            queue=name,
            channel=account.channel,
            waiting=waiting,
            longest_wait_ms=None if longest is None else longest * _MS,
            agents_available=_optional_count(queue, "agentsReady"),
            agents_away=_optional_count(queue, "agentsInPause"),
        )
    except ValidationError as error:
        raise UnmappableError(
            str(error.errors()[0]["loc"][0]), "of a queue is too large, or its name cannot be used"
        ) from None


def _count(queue: JsonObject, field: str) -> int:
    number = queue.get(field)
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise UnmappableError(field, "must be a whole number from 0 on" if number is not None else "is missing")
    return number


def _optional_count(queue: JsonObject, field: str) -> int | None:
    return None if queue.get(field) is None else _count(queue, field)


_SECONDS: Final = Feed("part", "in whole seconds, within five minutes after the session has ended")

_POLLED: Final = Feed("part", "live by polling, as Puzzel counts it")

ADAPTER: Final = Adapter(
    name="puzzel",
    title="Puzzel",
    forms={
        "hook": map_ticket,
        "call_event": map_call_event,
        "agent_event": map_agent_event,
        "queue_state": map_queue_state,
    },
    feeds={
        "offered": FULL,
        "entered": FULL,
        "queue_wait": _SECONDS,
        "first_response": _SECONDS,
        "abandoned": _SECONDS,
        "ivr_abandoned": _SECONDS,
        "handle": Feed("part", "the time of speaking; the end of wrap-up is not known"),
        "talk": Feed("part", "with the time on hold in it"),
        "missed": FULL,
        "resolution": Feed("part", "of a call its end; of a ticket where the rule `closed` is set up"),
        "next_response": Feed("part", "of tickets"),
        "replies": Feed("part", "of tickets"),
        "reopened": Feed("part", "of tickets"),
        "tagged": Feed("part", "of tickets"),
        "any_tag": Feed("part", "of tickets"),
    },
    gauges={
        "agents": Feed("part", "signed in, in a pause, signed out; not busy"),
        "waiting": _POLLED,
        "longest_wait_ms": _POLLED,
        "agents_available": _POLLED,
        "agents_away": _POLLED,
    },
    hook=Hook(SharedSecret(header="X-Pulssi-Secret", parameter=""), timeout_s=5.0),
)
