"""What each row of the queue log means: the one table of Asterisk's events and ours. Pure.

When each row is written is in Asterisk's apps/app_queue.c. A call is one contact, under its id, whatever queues it
visits: so each row can be mapped alone. The log has no calls outside queues, no hold and no wrap-up.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from streams.sources.adapter import AccountRules, Event, Mapped, UnmappableError
from streams.sources.contact_events import ContactEvents, agent_status
from streams.sources.pseudonyms import pseudonym
from streams.sources.vendors.asterisk.rows import Row, seconds_before

#: A member's interface with an extension; a longer number may be somebody's telephone, and a word somebody's name.
_EXTENSION: Final = re.compile(r"(?:[A-Za-z0-9_]{1,16}/)?\d{1,6}(?:@[a-z0-9._-]{1,32})?(?:/n)?")
#: What stands in the place of a caller's number that is not told.
_UNKNOWN_CALLERS: Final = frozenset({"anonymous", "unknown", "unavailable", "restricted", "private", "withheld", "-1"})
#: In the place of a call's id: the row is of a member or of the server, and was made by this.
_NO_CALLS: Final = frozenset({"REALTIME", "MANAGER", "CLI"})
#: An unpause that Asterisk writes by itself when the reason of a pause changes.
_REASON_CHANGES: Final = "Auto-Unpause"
_PAUSED: Final = "PAUSED"
_LONGEST_REASON: Final = 256

#: Events that count nothing, and why.
NOTHING: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CONFIGRELOAD": "the configuration was read again",
        "QUEUESTART": "Asterisk started",
        "PENALTY": "a member's penalty changed",
        "RINGINUSE": "a member's setting changed",
        "RINGCANCELED": "the caller gave up while the member's telephone rang",
        "SYSCOMPAT": "the channels do not fit; the call's end is a row of its own",
    }
)

#: Why a call left its queue unanswered.
DEQUEUED: Final[Mapping[str, str]] = MappingProxyType(
    {"EXITWITHTIMEOUT": "timeout", "EXITEMPTY": "overflow", "EXITWITHKEY": "other", "WITHDRAW": "other"}
)

#: States of a member: of those that pause, the reason is the first parameter.
STATES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "AGENTLOGIN": "available",
        "AGENTCALLBACKLOGIN": "available",
        "ADDMEMBER": "available",
        "UNPAUSE": "available",
        "UNPAUSEALL": "available",
        "PAUSE": "away",
        "PAUSEALL": "away",
        "REMOVEMEMBER": "offline",
        "AGENTLOGOFF": "offline",
        "AGENTCALLBACKLOGOFF": "offline",
    }
)
_COMPLETED: Final = frozenset({"COMPLETEAGENT", "COMPLETECALLER"})
_TRANSFERRED: Final = frozenset({"BLINDTRANSFER", "ATTENDEDTRANSFER", "TRANSFER"})


def map_row(row: Row, account: AccountRules) -> Mapped:
    """Map a row. Raises UnmappableError."""
    if row.event in NOTHING:
        return Mapped(nothing=f"{row.event}: {NOTHING[row.event]}")
    if (status := STATES.get(row.event)) is not None:
        return _of_member(row, account, status)
    if (write := _OF_CALL.get(row.event)) is None:
        return Mapped(nothing="a row that Asterisk's queues do not write themselves")
    if not row.call or row.call in _NO_CALLS:
        raise UnmappableError("callid", f"of {row.event} is no call's")
    queue = account.queue_named(row.queue)
    if not queue:
        raise UnmappableError("queue", f"of {row.event} is missing")
    contact = ContactEvents(account, row.call, "call", queue=queue)
    write(contact, row, account)
    if not contact:
        return Mapped(nothing=f"{row.event}: of a bot, or of a call that nobody answered")
    return Mapped(tuple(contact.events))


def order_of(row: Row, place: int) -> int:
    """Give the `seq` of the event of that place within its row: rows of one time stay in the log's order.

    In a table without numbers, rows differ by their times, and the events of one row are ordered by their types.
    """
    return 2 * row.line + place if row.line else 0


def caller_of(number: str, account: AccountRules) -> str:
    """Return the pseudonym of a caller's number; empty where it is not told, or there is no key."""
    return "" if number.casefold() in _UNKNOWN_CALLERS else pseudonym(account.pseudonym_key, number)


def member_of(row: Row, account: AccountRules) -> str:
    """Return a member as it may be told: the interface with its extension, else the pseudonym of a name.

    Raises UnmappableError where there is none, or no key for the pseudonym of a name.
    """
    if not row.agent:
        raise UnmappableError("agent", f"of {row.event} is missing")
    if _EXTENSION.fullmatch(row.agent) is not None:
        return row.agent
    hidden = pseudonym(account.pseudonym_key, row.agent)
    if not hidden:
        raise UnmappableError("agent", "is no extension but may name a person: set `pseudonym_env` of the account")
    return hidden


def _of_member(row: Row, account: AccountRules, status: str) -> Mapped:
    if row.agent in account.bots:
        return Mapped(nothing=f"{row.event} of a bot")
    reason = row.parameter(1) if row.event.startswith("PAUSE") else ""
    if row.event == "UNPAUSE" and row.parameter(1) == _REASON_CHANGES:
        return Mapped(nothing="UNPAUSE: the reason of a pause changes, and the member stays paused")
    if row.event == "ADDMEMBER" and row.parameter(1) == _PAUSED:
        status = "away"
    member = member_of(row, account)
    of_what = row.event, row.stamp, row.queue or "all"
    event: Event = agent_status(account, member, status, row.at, *of_what, reason=reason[:_LONGEST_REASON])
    if seq := order_of(row, 0):
        event["seq"] = seq
    return Mapped((event,))


def _entered(contact: ContactEvents, row: Row, account: AccountRules) -> None:
    """Write the caller's entry: the first one of a call is its start, which the fold knows by its time."""
    caller = caller_of(row.parameter(2), account)
    contact.add("contact.started", row.at, "started", row.stamp, row.queue, seq=order_of(row, 0), customer_id=caller)
    contact.add("contact.queued", row.at, row.event, row.stamp, row.queue, seq=order_of(row, 1))


def _connected(contact: ContactEvents, row: Row, account: AccountRules) -> None:
    if row.agent in account.bots:
        contact.add("contact.dequeued", row.at, *_bot(row), seq=order_of(row, 0), reason="other")
        return
    _add_of_agent(contact, "contact.connected", row, account)


def _completed(contact: ContactEvents, row: Row, account: AccountRules) -> None:
    """Write the end of the agent's part, whoever hung up; with it the call is over, unless it is in a queue again."""
    if row.agent in account.bots:
        contact.add("contact.disconnected", row.at, *_bot(row), seq=order_of(row, 0))
        return
    _add_of_agent(contact, "contact.disconnected", row, account)


def _transferred(contact: ContactEvents, row: Row, account: AccountRules) -> None:
    """Write the end of the agent's part. Nothing tells what became of the call, unless it enters a queue again."""
    if row.agent in account.bots:
        contact.add("contact.disconnected", row.at, *_bot(row), seq=order_of(row, 0))
        return
    _add_of_agent(contact, "contact.transferred", row, account)
    del contact.events[-1]["queue"]  # there it would say where the call goes to
    agent = contact.events[-1]["agent_id"]
    of_what = row.event, row.stamp, row.queue, "left"
    contact.add("contact.disconnected", row.at, *of_what, seq=order_of(row, 1), agent_id=agent)


def _missed(contact: ContactEvents, row: Row, account: AccountRules) -> None:
    if row.agent not in account.bots:
        _add_of_agent(contact, "contact.missed", row, account, row.parameter(1))


def _abandoned(contact: ContactEvents, row: Row, account: AccountRules) -> None:
    # It may name an agent, who was just about to be connected and was not.
    del account
    contact.add("contact.abandoned", row.at, row.event, row.stamp, row.queue, seq=order_of(row, 0))


def _dequeued(contact: ContactEvents, row: Row, account: AccountRules) -> None:
    del account
    of_what = row.event, row.stamp, row.queue
    contact.add("contact.dequeued", row.at, *of_what, seq=order_of(row, 0), reason=DEQUEUED[row.event])


def _called_out(contact: ContactEvents, row: Row, account: AccountRules) -> None:
    """Write a call that an agent made, told by its end: status, seconds of talk."""
    talk = row.parameter(2)
    if row.parameter(1).upper() != "ANSWER" or not talk.isdecimal() or len(talk) > _LONGEST_TALK:
        return
    agent = account.agent_id(member_of(row, account))
    began = seconds_before(row.at, int(talk))
    contact.add(
        "contact.started",
        began,
        "started",
        row.event,
        row.stamp,
        seq=order_of(row, 0),
        direction="outbound",
        initiated_by="agent",
    )
    contact.add("contact.connected", began, "connected", row.event, row.stamp, seq=order_of(row, 1), agent_id=agent)
    contact.add("contact.disconnected", row.at, row.event, row.stamp, seq=order_of(row, 0), agent_id=agent)


def _add_of_agent(contact: ContactEvents, kind: str, row: Row, account: AccountRules, more: str = "") -> None:
    member = member_of(row, account)
    of_what = row.event, row.stamp, row.queue, member, *([more] if more else [])
    contact.add(kind, row.at, *of_what, seq=order_of(row, 0), agent_id=account.agent_id(member))


def _bot(row: Row) -> tuple[str, ...]:
    return row.event, row.stamp, row.queue, "bot"


_LONGEST_TALK: Final = 6
_OF_CALL: Final[Mapping[str, Callable[[ContactEvents, Row, AccountRules], None]]] = MappingProxyType(
    {
        "ENTERQUEUE": _entered,
        "CONNECT": _connected,
        **dict.fromkeys(sorted(_COMPLETED), _completed),
        **dict.fromkeys(sorted(_TRANSFERRED), _transferred),
        "RINGNOANSWER": _missed,
        "AGENTDUMP": _missed,
        "ABANDON": _abandoned,
        **dict.fromkeys(DEQUEUED, _dequeued),
        "OUTCALL": _called_out,
    }
)
