"""Maps the most frequent rows of a queue log fast, for imports of years.

It gives byte for byte what `meaning.py` and the check of the contract give, and leaves unusual rows to them. A queue or
member that is written into JSON is checked once and then kept in memory, since there are few of them.
"""

import re
from typing import Final

import orjson

from schemas.topics import CONTACTS
from streams.sources.adapter import AccountRules, MapRow, Payload, UnmappableError
from streams.sources.checked_events import OutgoingEvent, record_of
from streams.sources.vendor_values import time_of
from streams.sources.vendors.asterisk.meaning import DEQUEUED, caller_of, map_row, member_of
from streams.sources.vendors.asterisk.rows import file_row

#: ASCII that needs no escape in JSON, and no space, which could stand at an end.
_PLAIN: Final = re.compile(r"[!#-\[\]-~]+")
#: Of a longer row an id could be too long.
_LONGEST: Final = 110
_MOST_KEPT: Final = 10_000
_NO_CALLS: Final = frozenset({"", "NONE", "REALTIME", "MANAGER", "CLI"})
_TOPIC: Final = CONTACTS["call"]
#: Time, call, queue, agent, event.
_FIXED: Final = 5
#: Where the caller's number stands: the second parameter.
_CALLER: Final = _FIXED + 1
_LONGEST_ID: Final = 128
_SECOND_DIGITS: Final = 10
_KINDS: Final = {
    "ENTERQUEUE": "contact.queued",
    "CONNECT": "contact.connected",
    "COMPLETEAGENT": "contact.disconnected",
    "COMPLETECALLER": "contact.disconnected",
    "RINGNOANSWER": "contact.missed",
    "ABANDON": "contact.abandoned",
    **dict.fromkeys(DEQUEUED, "contact.dequeued"),
}
_OF_AGENT: Final = frozenset({"contact.connected", "contact.disconnected", "contact.missed"})
#: Makes a named tuple of its type and a tuple of its fields in half the time that calling the type takes.
_new: Final = tuple.__new__


def fast_rows(account: AccountRules) -> MapRow:
    """Make the mapping of an account's rows."""
    return _FastRows(account)


class _FastRows:
    def __init__(self, account: AccountRules) -> None:
        self._account = account
        self._queues: dict[str, str] = {}
        self._members: dict[str, tuple[str, str]] = {}
        self._callers: dict[str, str] = {}
        self._times: dict[str, str] = {}
        contact_id = account.contact_id("")
        self._contact_id = contact_id
        usable = _PLAIN.fullmatch(contact_id) is not None and _PLAIN.fullmatch(account.source) is not None
        self._is_usable = usable and len(contact_id) < _LONGEST_ID
        self._room = _LONGEST_ID - len(contact_id)
        self._common = f'"channel":"call","source":"{account.source}"'

    def __call__(self, row: bytes, line: int, /) -> tuple[OutgoingEvent, ...] | None:
        """Map a row; None: it is to be mapped as any payload is."""
        if line <= 0 or len(row) > _LONGEST or not self._is_usable or not row.isascii():
            return None
        text = row.decode()
        if _PLAIN.fullmatch(text) is None:
            return None
        parts = text.split("|")
        if len(parts) < _FIXED:
            return None
        stamp, call, name, _agent, event = parts[:_FIXED]
        kind = _KINDS.get(event)
        if kind is None or call in _NO_CALLS or len(call) > self._room:
            return None
        at = self._times.get(stamp) or self._time(stamp)
        if not at:
            return None
        queue = self._queues.get(name) or self._queue(name)
        if not queue:
            return None
        event_id = f"{event}:{stamp}:{name}"
        if kind in _OF_AGENT:
            return self._of_agent(at, kind, event_id, queue, parts, row, line)
        more = ""
        if event == "ENTERQUEUE":
            caller = self._caller(parts[_CALLER]) if len(parts) > _CALLER and parts[_CALLER] else ""
            start = self._event(at, f"started:{stamp}:{name}", "contact.started", call, queue, 2 * line, caller)
            return start, self._event(at, event_id, kind, call, queue, 2 * line + 1)
        if kind == "contact.dequeued":
            more = f',"reason":"{DEQUEUED[event]}"'
        return (self._event(at, event_id, kind, call, queue, 2 * line, more),)

    def _of_agent(
        self, at: str, kind: str, event_id: str, queue: str, parts: list[str], row: bytes, line: int
    ) -> tuple[OutgoingEvent, ...] | None:
        _, call, _, agent, _ = parts[:_FIXED]
        member = self._members.get(agent) or self._member(agent, row)
        if member is None:
            return None
        event_id = f"{event_id}:{member[0]}"
        if kind == "contact.missed" and len(parts) > _FIXED and parts[_FIXED]:
            event_id = f"{event_id}:{parts[_FIXED]}"
        if len(event_id) > _LONGEST_ID:
            return None
        return (self._event(at, event_id, kind, call, queue, 2 * line, member[1]),)

    def _event(
        self, at: str, event_id: str, kind: str, call: str, queue: str, seq: int, more: str = ""
    ) -> OutgoingEvent:
        contact_id = f"{self._contact_id}{call}"
        value = (
            f'{{"event_id":"{event_id}","type":"{kind}","occurred_at":"{at}","contact_id":"{contact_id}",'
            f'{self._common},"queue":{queue},"seq":{seq}{more}}}'
        )
        return _new(OutgoingEvent, (_TOPIC, contact_id.encode(), value.encode()))

    def _time(self, stamp: str) -> str:
        """Write a second as the contract has it; empty where it is none."""
        if len(stamp) > _SECOND_DIGITS or not stamp.isdecimal():
            return ""
        try:
            at = time_of(int(stamp), "time")
        except UnmappableError:
            return ""
        if len(self._times) >= _MOST_KEPT:  # a log goes on in time: the former seconds do not come again
            self._times.clear()
        self._times[stamp] = at
        return at

    def _queue(self, name: str) -> str:
        """Name a queue as it stands in JSON, once the contract takes it; empty where it does not."""
        if name in {"", "NONE"} or len(self._queues) >= _MOST_KEPT:
            return ""
        try:
            row = file_row(Payload(f"1|x|{name}|NONE|ABANDON".encode(), line=1))
            written = record_of(map_row(row, self._account).events[0]).value
        except UnmappableError:
            return ""
        self._queues[name] = found = orjson.dumps(orjson.loads(written)["queue"]).decode()
        return found

    def _member(self, agent: str, row: bytes) -> tuple[str, str] | None:
        """Name a member in ids, and as the field of an event."""
        if agent in self._account.bots or len(self._members) >= _MOST_KEPT:
            return None
        try:
            member = member_of(file_row(Payload(row)), self._account)
        except UnmappableError:
            return None
        field = orjson.dumps(self._account.agent_id(member)).decode()
        self._members[agent] = found = member, f',"agent_id":{field}'
        return found

    def _caller(self, number: str) -> str:
        found = self._callers.get(number)
        if found is None:
            if len(self._callers) >= _MOST_KEPT:
                self._callers.clear()
            hidden = caller_of(number, self._account)
            self._callers[number] = found = f',"customer_id":"{hidden}"' if hidden else ""
        return found
