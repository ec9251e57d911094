"""First response or abandonment, whichever comes first; then the customer's turns and the replies that end them."""

from streams.core.event import Event
from streams.core.first_response_clock import FirstResponseClock
from streams.core.sample_writer import SampleWriter


class Responses:
    """What a customer waited for. A contact has a first response or an abandonment, never both."""

    __slots__ = (
        *("_awaits_return", "_began_by_return", "_clock", "_human_replied", "_is_slow", "_over_without_response"),
        *("_patience_ms", "_turn_messages", "_writer", "abandoned_at", "customer_left", "first_at", "first_ms"),
        *("replies", "turn_since"),
    )

    def __init__(self, writer: SampleWriter, clock: FirstResponseClock) -> None:
        self._writer = writer
        self._clock = clock
        self._patience_ms = writer.rules.patience_ms[writer.channel]
        #: Whether the wait has ended without a first response: a call was connected, or a partial contact was answered
        #: while no clock ran.
        self._over_without_response = False
        self._human_replied = False
        self._is_slow = False
        #: Whether an abandonment was counted and the customer has not come back yet.
        self._awaits_return = False
        #: Whether the turn began with a return, which in a call a connection answers.
        self._began_by_return = False
        #: Customer messages in the turn.
        self._turn_messages = 0
        #: Since when the customer waits for the next reply; None outside a turn.
        self.turn_since: int | None = None
        self.first_at: int | None = None
        self.first_ms: int | None = None
        #: When an abandonment was counted.
        self.abandoned_at: int | None = None
        #: Whether the customer has left and not come back or been reached since.
        self.customer_left = False
        #: Human replies so far.
        self.replies = 0

    @property
    def first_wait_over(self) -> bool:
        """Whether the wait for a first response has ended: by a response, by an abandonment, or without a sample."""
        return self._over_without_response or self.first_at is not None or self.abandoned_at is not None

    def connected(self, event: Event) -> None:
        """`contact.connected`: a call's first response, with or without a clock that says how long it took."""
        self.customer_left = False
        if self._writer.partial:
            self._end_silently()
        if self._writer.channel == "call":
            self._respond_first(event, self._clock.start_of_connected_call())
            self._over_without_response = True
            if self.turn_since is not None and self._began_by_return:
                self._end_turn(event, self.turn_since)

    def human_reply(self, event: Event) -> None:
        """A reply by an agent to the customer."""
        self.customer_left = False
        self.replies += 1
        ends_first_wait = (self._writer.partial and self._end_silently()) or (
            self._writer.channel != "call" and self._respond_first(event, self._clock.start())
        )
        if self.turn_since is not None:
            if ends_first_wait:  # the same wait: the first response has measured it, or nobody can
                self.turn_since = None
            else:
                self._end_turn(event, self.turn_since)
        self._human_replied = True

    def _end_silently(self) -> bool:
        """End the wait of a partial contact whose clock's start is not known, without a sample; turns count now."""
        if self.first_wait_over or self._clock.start() is not None:
            return False
        self._over_without_response = self._human_replied = True
        return True

    def customer_message(self, event: Event) -> None:
        """A message by the customer: begins a turn once a human has replied, or where the customer comes back."""
        self.customer_came_back(event)
        if self.turn_since is None and self._human_replied:
            self._begin_turn(event, by_return=False)
        self._turn_messages += 1

    def customer_came_back(self, event: Event) -> None:
        """A customer message, `contact.queued` or `contact.reopened`: a customer who had abandoned waits again."""
        self.customer_left = False
        if self._awaits_return:
            self._awaits_return = False
            self._human_replied = False  # also where a connection ends it, the next turn begins after a reply only
            self._begin_turn(event, by_return=True)

    def _begin_turn(self, event: Event, *, by_return: bool) -> None:
        self.turn_since, self._began_by_return, self._turn_messages = event.at, by_return, 0

    def abandoned(self, event: Event) -> None:
        """`contact.abandoned`: the first that comes while the clock runs counts, if nothing was answered before."""
        self.customer_left = True
        start = self._clock.start()
        if self.first_wait_over or start is None or self._clock.is_with_bot:
            return
        value = max(0, event.at - start)
        policy = self._writer.policy("first_response", event.at)
        self._writer.write(
            "abandoned", event, "", value_ms=value, since=start, policy=policy, short=self._writer.short(policy, value)
        )
        self.abandoned_at = event.at
        self.turn_since = None
        self._awaits_return = True

    def _respond_first(self, event: Event, start: int | None) -> bool:
        if self.first_wait_over or start is None:
            return False
        self.first_at, self.first_ms = event.at, max(0, event.at - start)
        policy = self._writer.policy("first_response", event.at)
        self._writer.write("first_response", event, "", value_ms=self.first_ms, since=start, policy=policy)
        self._mark_slow(event, self.first_ms)
        return True

    def _end_turn(self, event: Event, since: int) -> None:
        value = event.at - since
        policy = self._writer.policy("next_response", event.at)
        self._writer.write("next_response", event, value_ms=value, since=since, policy=policy)
        self._writer.write("nudges", event, value=max(0, self._turn_messages - 1))
        self._mark_slow(event, value)
        self.turn_since = None

    def _mark_slow(self, event: Event, value_ms: int) -> None:
        if not self._is_slow and value_ms > self._patience_ms:
            self._is_slow = True
            self._writer.write("slow", event, "")
