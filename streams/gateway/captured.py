"""Keeps the last payloads of each account, pseudonymised, for whoever sets up an account or writes an adapter.

They are kept in memory only, and within a bound. An original payload is never kept. If many come, some are left out.
"""

import secrets
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import orjson

from streams.gateway.mapping import MappedHook
from streams.gateway.pseudonymised import Pseudonymiser
from streams.gateway.vocabulary import code_words
from streams.sources.adapter import Adapter, Payload
from streams.sources.vendor_dead_letters import without_secrets
from streams.times import rfc3339

#: Of an account.
PAYLOADS_AT_MOST: Final = 50
BYTES_AT_MOST: Final = 512 * 1024
#: Of a larger body only "…" is kept.
BODY_BYTES: Final = 128 * 1024
#: The least time between two that are kept: pseudonymising one takes as long as everything else that a hook needs.
EVERY_S: Final = 0.05


class Captured:
    """The last payloads of one account."""

    def __init__(self, adapter: Adapter, clock: Callable[[], float] = time.monotonic) -> None:
        self._adapter = adapter
        self._shown = Pseudonymiser(secrets.token_bytes(32), code_words(adapter))
        self._clock = clock
        self._kept: deque[_Kept] = deque()
        self._bytes = 0
        self._next_at = 0.0

    def note(self, payload: Payload, mapped: MappedHook) -> None:
        """Keep what may be shown of a payload, unless one was kept just now."""
        now = self._clock()
        if now < self._next_at:
            return
        self._next_at = now + EVERY_S
        line = orjson.dumps(self._told(payload, mapped))
        if len(line) > BODY_BYTES * 2:
            return
        self._kept.append(_Kept(line))
        self._bytes += len(line)
        while len(self._kept) > PAYLOADS_AT_MOST or self._bytes > BYTES_AT_MOST:
            self._bytes -= len(self._kept.popleft().line)

    def last(self, number: int) -> bytes:
        """Return the last so many, the newest last, one JSON object a line."""
        kept = list(self._kept)[-number:] if number > 0 else []
        return b"".join(each.line + b"\n" for each in kept)

    def _told(self, payload: Payload, mapped: MappedHook) -> dict[str, Any]:
        kept, at = without_secrets(self._adapter, payload), payload.received_at
        told: dict[str, Any] = {"received_at": rfc3339(at), **self._outcome(mapped)}
        told["headers"] = {
            name: self._shown.value(value, name, at)
            for name, value in sorted(kept.headers.items())
            if self._shown.name(name) == name
        }
        told["body"] = self._shown.body(kept.body, at) if len(kept.body) <= BODY_BYTES else "…"
        return told

    def _outcome(self, mapped: MappedHook) -> dict[str, Any]:
        """Tell what came of it, by types and fields: the reasons of adapters may name values."""
        if mapped.refusal is not None:
            steps = [step if step.isdecimal() else self._shown.name(step) for step in mapped.refusal.field.split(".")]
            return {"unmappable": ".".join(steps) if mapped.refusal.field else "…"}
        if mapped.nothing:
            return {"nothing": True}
        return {"events": [orjson.loads(each.value)["type"] for each in mapped.records]}


class _Kept(NamedTuple):
    line: bytes
