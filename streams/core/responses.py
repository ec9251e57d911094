"""First response or abandonment, whichever comes first; then the customer's turns and the replies that end them."""

from __future__ import annotations

from streams.core.clock import HumanClock
from streams.core.event import Event
from streams.core.sheet import Sheet


class Responses:
    """What a customer waited for. A contact has a first response or an abandonment, never both."""

    __slots__ = (
        "_abandon_seen",
        "_clock",
        "_connected",
        "_human_replied",
        "_patience_ms",
        "_sheet",
        "_slow",
        "_turn_messages",
        "abandoned_at",
        "first_at",
        "first_ms",
        "gone",
        "replies",
        "turn_since",
    )

    def __init__(self, sheet: Sheet, clock: HumanClock) -> None:
        self._sheet = sheet
        self._clock = clock
        self._patience_ms = sheet.rules.patience_ms[sheet.channel]
        self._abandon_seen = False
        self._connected = False
        self._human_replied = False
        self._slow = False
        self._turn_messages = 0
        #: Since when the customer waits for the next reply; None outside a turn.
        self.turn_since: int | None = None
        self.first_at: int | None = None
        self.first_ms: int | None = None
        #: When an abandonment was counted.
        self.abandoned_at: int | None = None
        #: Whether the customer has left and nothing happened since.
        self.gone = False
        #: Human replies so far.
        self.replies = 0

    @property
    def answered(self) -> bool:
        """Whether the first response is there, or an abandonment in its place."""
        return self._connected or self.first_at is not None or self.abandoned_at is not None

    def connected(self, event: Event) -> None:
        """`contact.connected`: a call's first response, with or without a clock that tells how long it took."""
        self.gone = False
        if self._sheet.channel == "call":
            self._respond_first(event)
            self._connected = True

    def human_reply(self, event: Event) -> None:
        """A reply by an agent to the customer."""
        self.gone = False
        self.replies += 1
        first = self._sheet.channel != "call" and self._respond_first(event)
        if self.turn_since is not None and not first:
            self._end_turn(event, self.turn_since)
        self.turn_since = None
        self._human_replied = True

    def customer_message(self, event: Event) -> None:
        """A message by the customer: begins a turn once a human has replied."""
        self.gone = False
        if self.turn_since is not None:
            self._turn_messages += 1
        elif self._human_replied:
            self.turn_since = event.at
            self._turn_messages = 0

    def abandoned(self, event: Event) -> None:
        """`contact.abandoned`: only the first can count."""
        self.gone = True
        start = self._clock.start()
        first, self._abandon_seen = not self._abandon_seen, True
        if not first or self.answered or start is None or self._clock.is_the_bots:
            return
        value = max(0, event.at - start)
        policy = self._sheet.policy("first_response", event.at)
        # Like `within`, of those held against a target only: what is left out of service level is in it otherwise.
        short = None if policy is None else value < self._sheet.rules.short_abandon_ms
        self._sheet.write("abandoned", event, "", value_ms=value, since=start, policy=policy, short=short)
        self.abandoned_at = event.at

    def _respond_first(self, event: Event) -> bool:
        start = self._clock.start()
        if self.answered or start is None:
            return False
        self.first_at, self.first_ms = event.at, max(0, event.at - start)
        policy = self._sheet.policy("first_response", event.at)
        self._sheet.write("first_response", event, "", value_ms=self.first_ms, since=start, policy=policy)
        self._mark_slow(event, self.first_ms)
        return True

    def _end_turn(self, event: Event, since: int) -> None:
        value = event.at - since
        policy = self._sheet.policy("next_response", event.at)
        self._sheet.write("next_response", event, value_ms=value, since=since, policy=policy)
        self._sheet.write("nudges", event, value=self._turn_messages)
        self._mark_slow(event, value)

    def _mark_slow(self, event: Event, value_ms: int) -> None:
        if not self._slow and value_ms > self._patience_ms:
            self._slow = True
            self._sheet.write("slow", event, "")
