"""What leaves a simulation: each event as the contract's JSON, with its time, topic and key.

Nothing that happened before the start leaves; it is counted, so that ids do not depend on when the log opens.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple

import orjson

from schemas.topics import AGENTS, CONTACTS, Channel

SOURCE: Final = "simulator"


class Emitted(NamedTuple):
    """One event on its way out. `at` in UTC milliseconds; `value` is one line of JSON without its end."""

    at: int
    topic: str
    key: bytes
    value: bytes


def compact(at: int) -> str:
    """Write a time shortly, as it stands in ids."""
    second, milli = divmod(at, 1000)
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%dT%H%M%S") + (f".{milli:03d}Z" if milli else "Z")


class Log:
    """Takes events from processes and hands them on in order."""

    def __init__(self, prefix: str, opens_at: int) -> None:
        self.prefix = prefix
        #: False until the start: what a contact does before is not told.
        self.open = False
        self.opens_at = opens_at
        self.out: list[Emitted] = []
        self._second = -1
        self._stamp = ""
        self._agent_events = 0

    def write(self, at: int, channel: Channel, key: bytes, event: dict[str, object]) -> None:
        """Add an event of a contact."""
        event["occurred_at"] = self._time(at)
        self.out.append(Emitted(at, CONTACTS[channel], key, orjson.dumps(event)))

    def write_agent(self, at: int, agent_id: str, event: dict[str, object]) -> None:
        """Add a state of an agent."""
        self._agent_events += 1
        if not self.open:
            return
        line = {
            "event_id": f"{self.prefix}:{self._agent_events}",
            "type": "agent.status",
            "agent_id": agent_id,
            "source": SOURCE,
            **event,
            "occurred_at": self._time(at),
        }
        self.out.append(Emitted(at, AGENTS, agent_id.encode(), orjson.dumps(line)))

    def _time(self, at: int) -> str:
        second, milli = divmod(at, 1000)
        if second != self._second:
            self._second = second
            self._stamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        return f"{self._stamp}{milli:03d}Z"
