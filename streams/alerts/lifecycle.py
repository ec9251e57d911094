"""The states of an alert: pending, firing, resolved; each record follows from the one before and what is seen now.

- A cause that holds is pending, and fires once it has held without a break for the observation's `hold_ms`; with no
  such time it fires at once. A pending alert whose cause stops is resolved, and nobody is notified.
- A firing alert resolves when its cause is clear and it has fired for the least time. It stays resolved for its least
  time, then the cause may be pending again. A contact's alert has no least times: its cause is a fact. It begins once
  all events are counted that were produced before the contact was read: while a worker catches up, the answer to a call
  that seems to wait may be the next event.
- While figures are old, every alert but the pipeline's keeps its state, and is marked `held`; so does one whose cause
  cannot be judged for a reason of its own. What is pending then has to hold again once it is released.
- People are notified of an alert while it is not silenced, and of its resolution if and only if they were notified
  that it fires. They are also notified of an alert that still fires when a silence ends.

Only the records are remembered: a judgement from the newest ones always gives the same, and a second judgement at the
same time adds nothing. All times are UTC milliseconds. After the clock was set back, a time that lies ahead
counts as long past, so that no alert waits until the clock reaches it again.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from schemas.alert_rules import Timing
from schemas.alerts import HISTORY_AT_MOST, Acknowledge, Alert, Change, Reason, Silence, State, alert_id
from streams.alerts.known_alerts import KnownAlerts
from streams.alerts.observation import Observation
from streams.alerts.silences import silenced_by

#: Reasons of firing records that people are notified for, unless the alert is silenced.
_NOTIFIED: Final = frozenset({"first", "changed", "reminder", "unsilenced"})


def changes(
    before: KnownAlerts,
    observations: Mapping[str, Observation],
    now: int,
    timing: Timing,
    *,
    held: bool = False,
    silences: Sequence[Silence] = (),
    acknowledgements: Mapping[str, Acknowledge] = MappingProxyType({}),
) -> list[Alert]:
    """Give the records that a judgement adds, in the order of keys; of one key each follows from the one before.

    `silences` are those in force, `acknowledgements` those known by alert id.
    """
    judge = _Judge(now, timing, held, silences, acknowledgements)
    keys = sorted(before.live.keys() | {key for key, seen in observations.items() if seen.beyond})
    return [record for key in keys for record in judge.records(before.get(key), observations.get(key))]


def is_notified(alert: Alert) -> bool:
    """Say whether people are notified of a record."""
    if alert.state == "firing":
        return alert.silenced_by is None and alert.reason in _NOTIFIED
    return alert.state == "resolved" and alert.notified


class _Judge:
    def __init__(
        self,
        now: int,
        timing: Timing,
        held: bool,  # noqa: FBT001 - passed on
        silences: Sequence[Silence],
        acknowledgements: Mapping[str, Acknowledge],
    ) -> None:
        self._now = now
        self._timing = timing
        self._held = held
        self._silences = silences
        self._acknowledgements = acknowledgements
        #: The first change of all that begin now, by state.
        self._first: dict[State, Change] = {}

    def records(self, alert: Alert | None, seen: Observation | None) -> Iterator[Alert]:
        """Give one key's records, until nothing more follows at this time."""
        while (record := self._next(alert, seen)) is not None:
            yield record
            begins = alert is None or alert.state == "resolved"
            alert = record
            if begins and alert.id not in self._acknowledgements:
                return  # nothing can follow now; after a start very many alerts begin, so this saves time

    def _next(self, alert: Alert | None, seen: Observation | None) -> Alert | None:
        cause = alert or seen
        held = (self._held and cause is not None and cause.kind != "pipeline") or (seen is not None and seen.held)
        if alert is None or alert.state == "resolved":
            return None if held or seen is None else self._begun(alert, seen)
        if alert.held != held:
            since = alert.pending_since if held or alert.state == "firing" else self._now
            return self._changed(alert, "held" if held else "released", held=held, pending_since=since)
        if alert.state == "pending":
            return None if held else self._after_pending(alert, seen)
        if held:
            return self._by_people(alert)
        return self._resolved(alert, seen) or self._by_people(alert) or self._notified_again(alert, seen)

    def _begun(self, alert: Alert | None, seen: Observation) -> Alert | None:
        """Begin where the cause holds and the last firing is over for long enough."""
        if not seen.beyond or not seen.settled:
            return None
        fired_before = alert is not None and alert.fired_at is not None and seen.kind != "contact"
        if alert is not None and fired_before and self._is_within(alert.resolved_at, self._timing.least_resolved_ms):
            return None
        state: dict[str, Any] = {"state": "pending"}
        if not seen.hold_ms:
            silence = silenced_by(seen, None, self._silences) if self._silences else None
            state = self._firing(seen.key, silence)
        return Alert(
            key=seen.key,
            sequence=1 if alert is None else alert.sequence + 1,
            kind=seen.kind,
            condition=seen.condition,
            rule=seen.rule,
            severity=seen.severity,
            dimensions=seen.dimensions,
            reason="first",
            at=self._now if alert is None else max(self._now, alert.at),
            pending_since=self._now,
            measured=seen.measured,
            contacts=list(seen.contacts),
            history=[self._first_change(state["state"])],
            **state,
        )

    def _first_change(self, state: State) -> Change:
        change = self._first.get(state)
        if change is None:
            change = self._first[state] = Change(at=self._now, state=state, reason="first")
        return change

    def _firing(self, key: str, silence: str | None) -> dict[str, Any]:
        """Give what a record has once its alert fires."""
        fires = {"state": "firing", "id": alert_id(key, self._now), "fired_at": self._now}
        return {**fires, "silenced_by": silence, "notified": silence is None}

    def _after_pending(self, alert: Alert, seen: Observation | None) -> Alert | None:
        if seen is None or not seen.beyond:
            return self._changed(alert, "resolved", seen, state="resolved", resolved_at=self._now)
        if self._is_within(alert.pending_since, seen.hold_ms):
            return None
        return self._fired(alert, seen)

    def _fired(self, alert: Alert, seen: Observation) -> Alert:
        silence = silenced_by(seen, None, self._silences)
        return self._changed(alert, "first", seen, **self._firing(alert.key, silence))

    def _by_people(self, alert: Alert) -> Alert | None:
        """Take in silences and acknowledgements, also while figures are old."""
        silence = silenced_by(alert, alert.silenced_by, self._silences) if self._silences else None
        if silence is not None and alert.silenced_by is None:
            return self._changed(alert, "silenced", by=_by(self._silences, silence), silenced_by=silence)
        if silence is None and alert.silenced_by is not None:
            return self._changed(alert, "unsilenced", silenced_by=None, notified=True)
        acknowledgement = self._acknowledgements.get(alert.id)
        if acknowledgement is not None and alert.acknowledged_by is None:
            by, at = acknowledgement.by, acknowledgement.at
            return self._changed(alert, "acknowledged", by=by, acknowledged_by=by, acknowledged_at=at)
        return None

    def _resolved(self, alert: Alert, seen: Observation | None) -> Alert | None:
        least = 0 if alert.kind == "contact" else self._timing.least_firing_ms
        is_clear = seen is None or (seen.clear and not seen.beyond)
        if not is_clear or self._is_within(alert.fired_at, least):
            return None
        return self._changed(alert, "resolved", seen, state="resolved", resolved_at=self._now)

    def _notified_again(self, alert: Alert, seen: Observation | None) -> Alert | None:
        if seen is not None and (
            (seen.condition, seen.severity, seen.dimensions) != (alert.condition, alert.severity, alert.dimensions)
        ):
            return self._changed(alert, "changed", seen, condition=seen.condition, severity=seen.severity)
        if self._is_reminder_due(alert):
            return self._changed(alert, "reminder", seen)
        return None

    def _is_reminder_due(self, alert: Alert) -> bool:
        every = self._timing.reminder_ms
        if every is None or alert.acknowledged_by is not None or alert.silenced_by is not None:
            return False
        notified = [change.at for change in alert.history if _is_notification(change)]
        return not self._is_within(
            max((at for at in (alert.fired_at or 0, *notified) if at <= self._now), default=None), every
        )

    def _is_within(self, since: int | None, duration_ms: int) -> bool:
        """Tell whether less than a duration has passed."""
        return since is not None and since <= self._now < since + duration_ms

    def _changed(
        self, alert: Alert, reason: Reason, seen: Observation | None = None, *, by: str | None = None, **fields: object
    ) -> Alert:
        """Write the next record: the changed fields, and the new figures of a cause that is seen now."""
        figures: dict[str, Any] = {}
        if seen is not None:  # a contact may be in another queue by now
            figures = {"measured": seen.measured, "contacts": list(seen.contacts), "dimensions": seen.dimensions}
        changed = alert.model_copy(update={**figures, **fields, "sequence": alert.sequence + 1})
        change = Change(at=self._now, state=changed.state, reason=reason, by=by)
        history = _newest([*alert.history, change])
        at = max(self._now, alert.at)  # in the order of the records
        return changed.model_copy(update={"reason": reason, "at": at, "history": history})


def _newest(history: Sequence[Change]) -> list[Change]:
    """Leave out the oldest change where there are too many, but never the last notification: reminders need it."""
    if len(history) <= HISTORY_AT_MOST:
        return list(history)
    last = max((place for place, each in enumerate(history) if _is_notification(each)), default=None)
    oldest = 1 if last == 0 else 0
    return [*history[:oldest], *history[oldest + 1 :]]


def _is_notification(change: Change) -> bool:
    return change.state == "firing" and change.reason in _NOTIFIED


def _by(silences: Sequence[Silence], silence_id: str) -> str:
    return next(silence.by for silence in silences if silence.silence_id == silence_id)
