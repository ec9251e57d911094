"""The human clock: since when a contact waits for a human, as seen just before its first response."""

from __future__ import annotations

from streams.core.event import Event


class HumanClock:
    """Starts at the first `contact.queued` at or after the last hand-off, else at that hand-off, else at the first
    queue, else at the contact's start. A contact that someone else initiated waits from its first customer message at
    the earliest, and as a call not at all.
    """  # noqa: D205 - one rule, one sentence

    __slots__ = (
        "_bot_wrote",
        "_first_customer",
        "_first_queued",
        "_handed_off",
        "_humans",
        "_last_queued",
        "_outreach",
        "_outreach_call",
        "_queued_after",
        "_started",
    )

    def __init__(self, channel: str, *, outreach: bool) -> None:
        #: `contact.started`, or the opening that took its place; None before it.
        self._started: int | None = None
        self._outreach = outreach
        self._outreach_call = outreach and channel == "call"
        self._bot_wrote = False
        self._humans = False
        self._forget()

    def _forget(self) -> None:
        self._handed_off: int | None = None
        self._first_queued: int | None = None
        self._last_queued: int | None = None
        self._queued_after: int | None = None
        self._first_customer: int | None = None

    def begun(self, event: Event) -> None:
        """`contact.started`, or a partial contact's earliest event: the clock runs from here."""
        if self._started is None:
            self._started = event.at

    def opened_again(self, event: Event) -> None:
        """Resolved before any response and opened again: the rule begins anew with this event."""
        self._forget()
        self._started = event.at

    def queued(self, event: Event) -> None:
        """`contact.queued`."""
        self._humans = True
        self._last_queued = event.at
        if self._first_queued is None:
            self._first_queued = event.at
        if self._handed_off is not None and self._queued_after is None:
            self._queued_after = event.at

    def handed_off(self, event: Event) -> None:
        """`contact.handed_off`: the last one counts, and a queue of the same time is not before it."""
        self._humans = True
        self._handed_off = event.at
        self._queued_after = event.at if self._last_queued == event.at else None

    def connected(self) -> None:
        """`contact.connected`: the contact is no longer the bot's."""
        self._humans = True

    def customer_wrote(self, event: Event) -> None:
        """A customer message."""
        if self._first_customer is None:
            self._first_customer = event.at

    def bot_wrote(self) -> None:
        """A bot's message: until a human side is named, the contact is the bot's."""
        self._bot_wrote = True

    @property
    def is_the_bots(self) -> bool:
        """Whether no clock runs for gauges, alerts and abandonment."""
        return self._bot_wrote and not self._humans

    def start(self) -> int | None:
        """Give the clock's start in UTC milliseconds; None where no clock runs."""
        if self._queued_after is not None:
            start: int | None = self._queued_after
        elif self._handed_off is not None:
            start = self._handed_off
        elif self._first_queued is not None:
            start = self._first_queued
        else:
            start = self._started
        if not self._outreach or start is None:
            return start
        if self._outreach_call or self._first_customer is None:
            return None
        return max(start, self._first_customer)
