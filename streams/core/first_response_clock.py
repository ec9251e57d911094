"""The clock of the first response: since when a contact waits for a human, as of just before its first response."""

from streams.core.event import Event


class FirstResponseClock:
    """Starts at the first `contact.queued` at or after the last hand-off, else at that hand-off, else at the first
    queue, else at the contact's start. A call that was neither queued nor handed off is in a menu and waits for nobody.
    A contact that someone else initiated waits from its first customer message at the earliest, and as a call not at
    all. Of a partial contact, whose start is not known, the clock runs only from a queue or a hand-off.
    """  # noqa: D205 - one rule, one sentence

    __slots__ = (
        *("_first_customer", "_handed_off", "_is_call", "_last_queued", "_outreach", "_queued"),
        *("bot_wrote", "contact_start", "reached_humans"),
    )

    def __init__(self, channel: str, *, outreach: bool) -> None:
        #: `contact.started`, or the opening that took its place; None where the contact's start is not known.
        self.contact_start: int | None = None
        #: Whether it was ever queued, handed off or connected.
        self.reached_humans = False
        self._is_call = channel == "call"
        self._outreach = outreach
        self.bot_wrote = False
        self._reset()

    def _reset(self) -> None:
        self._handed_off: int | None = None
        self._last_queued: int | None = None
        #: The first `contact.queued`, but for those before the last hand-off.
        self._queued: int | None = None
        self._first_customer: int | None = None

    def contact_started(self, event: Event) -> None:
        """`contact.started`: the clock runs from here."""
        if self.contact_start is None:
            self.contact_start = event.at

    def restart(self, event: Event) -> None:
        """Start again from this event on: it opens a contact again that was resolved before any response."""
        self._reset()
        if self.contact_start is not None:
            self.contact_start = event.at

    def queued(self, event: Event) -> None:
        """`contact.queued`."""
        self.reached_humans = True
        self._last_queued = event.at
        if self._queued is None:
            self._queued = event.at

    def handed_off(self, event: Event) -> None:
        """`contact.handed_off`: the last one counts, and a queue of the same time is not before it."""
        self.reached_humans = True
        self._handed_off = event.at
        self._queued = event.at if self._last_queued == event.at else None

    def customer_wrote(self, event: Event) -> None:
        """A customer message."""
        if self._first_customer is None:
            self._first_customer = event.at

    @property
    def is_with_bot(self) -> bool:
        """Whether a bot alone has the contact, so that no clock runs for gauges, alerts and abandonment."""
        return self.bot_wrote and not self.reached_humans

    @property
    def is_in_menu(self) -> bool:
        """Whether it is a call that was not queued, handed off or connected yet: no clock runs."""
        return self._is_call and not self.reached_humans

    def start(self) -> int | None:
        """Give the clock's start in UTC milliseconds; None where no clock runs."""
        if self._queued is not None:
            start: int | None = self._queued
        elif self._handed_off is not None:
            start = self._handed_off
        elif self._is_call:
            return None
        else:
            start = self.contact_start
        if not self._outreach or start is None:
            return start
        if self._is_call or self._first_customer is None:
            return None
        return max(start, self._first_customer)

    def start_of_connected_call(self) -> int | None:
        """Return the start of a connected call's first response; for a call connected in its menu, the call's start."""
        start = self.start()
        return self.contact_start if start is None and not self._outreach else start
