"""The states of alerts by a plain pass over all judgements, written from the rules and not from the lifecycle.

Each cause is gone through by itself, from the first judgement to the last, with what is known of it in a few variables.
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import NamedTuple


class Sight(NamedTuple):
    """What a rule sees of a cause."""

    beyond: bool
    clear: bool
    kind: str
    condition: str
    severity: str
    hold_ms: int


class Moment(NamedTuple):
    """One judgement."""

    now: int
    #: What is seen, by key; of keys that are missing nothing is.
    sights: Mapping[str, Sight]
    #: Whether figures are old.
    old: bool
    #: The silence that covers a key.
    quiet: Mapping[str, str]
    #: Who acknowledged an alert, by its id.
    acknowledged: Mapping[str, str]


class Times(NamedTuple):
    """The lifecycle's times in milliseconds."""

    least_firing: int
    least_resolved: int
    reminder: int | None
    keep: int


class Told(NamedTuple):
    """A record, by what matters of it."""

    at: int
    key: str
    sequence: int
    state: str
    reason: str
    id: str
    condition: str
    severity: str
    held: bool
    notified: bool
    silenced_by: str | None
    acknowledged_by: str | None


def records(course: list[Moment], times: Times) -> list[Told]:
    """Give all records of a course, in order of time and key."""
    keys = sorted({key for moment in course for key in moment.sights})
    found = [record for key in keys for record in _Cause(key, times).over(course)]
    return sorted(found, key=lambda record: (record.at, record.key, record.sequence))


class _Cause:
    def __init__(self, key: str, times: Times) -> None:
        self.key = key
        self.times = times
        self.forget()

    def forget(self) -> None:
        self.state = "none"
        self.sequence = 0
        self.clear_names()
        self.pending_from = self.fired_at = self.resolved_at = self.last_told = 0
        self.kind = self.condition = self.severity = ""

    def clear_names(self) -> None:
        self.id = ""
        self.held = self.notified = self.ever_fired = False
        self.silence: str | None = None
        self.by: str | None = None

    def over(self, course: Iterable[Moment]) -> Iterator[Told]:
        for moment in course:
            yield from self.judged(moment)
            if self.state == "resolved" and moment.now - self.resolved_at >= self.times.keep:
                self.forget()

    def record(self, now: int, reason: str) -> Told:
        self.sequence += 1
        names = self.id, self.condition, self.severity, self.held, self.notified, self.silence, self.by
        return Told(now, self.key, self.sequence, self.state, reason, *names)

    def judged(self, moment: Moment) -> Iterator[Told]:
        now, sight = moment.now, moment.sights.get(self.key)
        live = self.state in {"pending", "firing"}
        old = moment.old and (self.kind if live else sight.kind if sight else "") != "pipeline"
        if live and old and not self.held:
            self.held = True
            yield self.record(now, "held")
        if live and not old and self.held:
            self.held = False
            if self.state == "pending":
                self.pending_from = now
            yield self.record(now, "released")
        if self.state == "pending" and not old and not (sight and sight.beyond):
            self.state, self.resolved_at = "resolved", now
            yield self.record(now, "resolved")
        if self.state in {"none", "resolved"} and sight and sight.beyond and not old:
            yield from self.begins(now, sight)
        if self.state == "pending" and not old and sight and now - self.pending_from >= sight.hold_ms:
            yield self.fires(moment)
        if self.state == "firing":
            yield from self.fires_on(moment, sight, old=old)

    def begins(self, now: int, sight: Sight) -> Iterator[Told]:
        rests = self.ever_fired and sight.kind != "contact" and now - self.resolved_at < self.times.least_resolved
        if rests:
            return
        self.clear_names()
        self.state, self.pending_from = "pending", now
        self.kind, self.condition, self.severity = sight.kind, sight.condition, sight.severity
        if sight.hold_ms > 0:
            yield self.record(now, "first")

    def fires(self, moment: Moment) -> Told:
        self.state, self.fired_at, self.last_told, self.ever_fired = "firing", moment.now, moment.now, True
        self.id = sha256(f"{self.key}\n{moment.now}".encode()).hexdigest()[:24]
        self.silence = moment.quiet.get(self.key)
        self.notified = self.silence is None
        return self.record(moment.now, "first")

    def fires_on(self, moment: Moment, sight: Sight | None, *, old: bool) -> Iterator[Told]:
        now = moment.now
        over = sight is None or (sight.clear and not sight.beyond)
        if not old and over and (self.kind == "contact" or now - self.fired_at >= self.times.least_firing):
            self.state, self.resolved_at = "resolved", now
            yield self.record(now, "resolved")
            return
        quiet = moment.quiet.get(self.key)
        if quiet and not self.silence:
            self.silence = quiet
            yield self.record(now, "silenced")
        if self.silence and not quiet:
            self.silence, self.notified, self.last_told = None, True, now
            yield self.record(now, "unsilenced")
        if self.by is None and self.id in moment.acknowledged:
            self.by = moment.acknowledged[self.id]
            yield self.record(now, "acknowledged")
        if old or sight is None:
            return
        if (sight.condition, sight.severity) != (self.condition, self.severity):
            self.condition, self.severity, self.last_told = sight.condition, sight.severity, now
            yield self.record(now, "changed")
        every = self.times.reminder
        if every and not self.by and not self.silence and now - self.last_told >= every:
            self.last_told = now
            yield self.record(now, "reminder")
