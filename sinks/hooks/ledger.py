"""Keeps account of deliveries: how far the topic `alerts` was read, for which destinations, and what is unsent. Pure.

A change of an alert whose offset is below the position has its deliveries. A destination that is seen for the first
time gets no message about anything earlier.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import tzinfo
from functools import partial
from typing import Final

from schemas.alerts import (
    ALERT_DELIVERIES,
    STATE_KEY,
    Alert,
    DelivererState,
    DeliveryAttempt,
    DeliveryRecord,
    DestinationState,
    NewerVersionError,
    decode_delivery,
    decode_state,
)
from schemas.configuration.hook_models import Links
from schemas.exits import EndError, Exit
from sinks.hooks.answers import FAILURES
from sinks.hooks.attempts import Health
from sinks.hooks.delivery import alert_delivery, tag_delivery
from sinks.hooks.destinations import Destination, Hooks
from sinks.hooks.filters import wants_alert, wants_end, wants_tag
from sinks.hooks.messages import TaggedContact, alert_message, tag_message
from sinks.hooks.redaction import place_of
from sinks.hooks.signing import tag_webhook_id, webhook_id

#: No message about an older tag: the topic may no longer have the record of its delivery.
TAG_AT_MOST_MS: Final = 30 * 86_400_000

_LOG: Final = logging.getLogger(__name__)


class Ledger:
    """The deliveries so far; makes the new ones for each change."""

    def __init__(self, records: Mapping[bytes, bytes], zone: tzinfo) -> None:
        """Take the newest records of the topic; a delivery that cannot be read is logged and skipped.

        Raises EndError if a newer version wrote a record, or if the deliverer's own record cannot be read.
        """
        self._zone = zone
        try:
            found = _deliveries(records)
            state = records.get(STATE_KEY)
            self._state = None if state is None else decode_state(state)
        except ValueError:
            raise EndError(
                f"the topic {ALERT_DELIVERIES} has a record that this version cannot read: run the version that wrote"
                f" it, or delete the topic, and run `pulssi migrate`",
                Exit.NO,
            ) from None
        #: By webhook id, in the order in which they happened; of deliveries that need no further attempt only the ids
        #: are kept. The sequence of a key begins again once its alert is forgotten.
        self.unfinished = {
            each.webhook_id: each
            for each in sorted(found, key=lambda each: (each.at, each.sequence))
            if each.status == "waiting" or (each.status == "delivered" and each.body is not None)
        }
        self._known = {each.webhook_id for each in found}
        #: Destinations with the ids of the alerts that they have deliveries of.
        self._notified = {(each.destination, each.alert_id) for each in found}
        self._topic = ""
        self.destinations: dict[str, DestinationState] = {} if self._state is None else dict(self._state.destinations)
        self.hooks = Hooks((), Links())
        self.position = 0

    def begin(self, end: int, topic: str = "") -> None:
        """Set where to read the topic `alerts`, given its end offset and Kafka's id of it; empty: the id is not known.

        If it was never read, reading begins at its end; if it was recreated, at its beginning.
        """
        known = "" if self._state is None else self._state.topic
        self._topic = topic or known
        if self._state is None:
            self.position = end
        elif self._state.position > end or self._topic != (known or self._topic):
            self.position = 0
            self.destinations = {
                name: each.model_copy(update={"begins": 0, "held_from": None if each.held_from is None else 0})
                for name, each in self.destinations.items()
            }
        else:
            self.position = self._state.position

    def use(self, hooks: Hooks, end: int, now: int) -> None:
        """Make deliveries for these destinations from now on; new ones begin at the end offset of the topic `alerts`.

        A held destination gets its deliveries after it is mended: `alerts` is read again, for it alone, from the offset
        at which it was first held.
        """
        before = {each.name: each for each in self.hooks.destinations}
        known, self.destinations, self.hooks = self.destinations, {}, hooks
        known |= {
            each.name: DestinationState(begins=end, since=now, filtered="", held_from=end)
            for each in hooks.faulty
            if each.name is not None and each.name not in known
        }
        held = {name: each for name, each in known.items() if hooks.is_held(name)}
        mended_from = self.position
        for destination in hooks.destinations:
            filtered = _filtered(destination)
            state = known.get(destination.name)
            if state is None:
                state = DestinationState(begins=end, since=now, filtered=filtered)
            elif state.held_from is not None:
                mended_from = min(mended_from, state.held_from)
                since = state.since if state.filtered in {"", filtered} else now
                again = {"begins": max(state.begins, state.held_from), "held_from": None}
                state = state.model_copy(update={**again, "since": since, "filtered": filtered, **Health()._asdict()})
            elif state.filtered != filtered:
                state = state.model_copy(update={"since": now, "filtered": filtered})
            former = before.get(destination.name)
            if former is not None and former != destination:  # somebody mended it
                state = state.model_copy(update=Health()._asdict())
            self.destinations[destination.name] = state
        if mended_from < self.position:
            for name, state in self.destinations.items():
                if (known.get(name, state)).held_from is None:  # everything before the position has its deliveries
                    self.destinations[name] = state.model_copy(update={"begins": max(state.begins, self.position)})
        for name, state in held.items():
            begun = self.position if state.held_from is None else state.held_from
            self.destinations[name] = state.model_copy(update={"held_from": begun})
        self.position = mended_from

    def releases(self, hooks: Hooks) -> bool:
        """Tell whether a destination that is held now is not held any more with these: it was mended or removed."""
        return any(each.held_from is not None and not hooks.is_held(name) for name, each in self.destinations.items())

    def state(self) -> bytes:
        """Write the deliverer's own record."""
        state = DelivererState(position=self.position, topic=self._topic, destinations=self.destinations)
        return state.model_dump_json().encode()

    def health(self, destination: str) -> Health:
        """Return a destination's health; that of a removed one is without failures."""
        state = self.destinations.get(destination)
        return Health() if state is None else Health(state.failing_since, state.failures, state.disabled_at)

    def set_health(self, destination: str, health: Health) -> None:
        """Set a destination's health."""
        if (state := self.destinations.get(destination)) is not None:
            self.destinations[destination] = state.model_copy(update=health._asdict())

    def of_alert(self, alert: Alert, offset: int, now: int) -> list[DeliveryRecord]:
        """Make the deliveries of an alert's change; `offset` is that of its record."""
        made: list[DeliveryRecord] = []
        for destination in self.hooks.destinations:
            begun = offset >= self.destinations[destination.name].begins
            if begun and self._is_wanted(destination, alert):
                named = webhook_id(alert, destination.name)
                record = _record(named, destination, alert.key, alert.sequence, alert.at, now)
                record = record.model_copy(update={"alert_id": alert.id, "resolved_at": alert.resolved_at})
                made += self._new(record, partial(self._alert, alert, destination))
        return made

    def _is_wanted(self, destination: Destination, alert: Alert) -> bool:
        """Tell whether a destination gets a message about this change.

        A resolution goes to each destination that got a message about this alert, even if the alert's severity or the
        destination's filter has changed since; and to destinations whose filter wants resolutions only.
        """
        if alert.state == "resolved":
            if (destination.name, alert.id) in self._notified:
                return wants_end(destination, alert)
            if not destination.filter.states or "firing" in destination.filter.states:
                return False
        return wants_alert(destination, alert)

    def of_tag(self, tagged: TaggedContact, now: int) -> list[DeliveryRecord]:
        """Make the deliveries of a tag that was put on a contact, but those that were made before."""
        made: list[DeliveryRecord] = []
        for destination in self.hooks.destinations:
            since = max(self.destinations[destination.name].since, now - TAG_AT_MOST_MS)
            if tagged.at >= since and wants_tag(destination, tagged):
                named = tag_webhook_id(tagged.contact_id, tagged.tag, destination.name)
                record = _record(named, destination, named, tagged.at, tagged.at, now)
                made += self._new(record, partial(self._tag, tagged, destination))
        return made

    def _alert(self, alert: Alert, destination: Destination) -> tuple[str, bytes]:
        title = alert_message(alert, self.hooks.links, self._zone).title
        return title, alert_delivery(alert, destination, self.hooks.links, self._zone).body

    def _tag(self, tagged: TaggedContact, destination: Destination) -> tuple[str, bytes]:
        title = tag_message(tagged, self.hooks.links, self._zone).title
        return title, tag_delivery(tagged, destination, self.hooks.links, self._zone).body

    def _new(self, record: DeliveryRecord, write: Callable[[], tuple[str, bytes]]) -> Iterator[DeliveryRecord]:
        """Yield the delivery with its message, and note that it was made; nothing if it was made before."""
        if record.webhook_id not in self._known:
            self._known.add(record.webhook_id)
            self._notified.add((record.destination, record.alert_id))
            yield _written(record, write)


def _deliveries(records: Mapping[bytes, bytes]) -> list[DeliveryRecord]:
    """Decode the deliveries that can be read. Raises NewerVersionError."""
    found = []
    for key, value in records.items():
        try:
            record = decode_delivery(key, value)
        except NewerVersionError:
            raise
        except ValueError:
            _LOG.error("%s: the record of the key %r is no delivery, and is skipped", ALERT_DELIVERIES, key[:100])
            continue
        if record is not None:
            found.append(record)
    return found


def _record(named: str, destination: Destination, queue: str, sequence: int, at: int, now: int) -> DeliveryRecord:
    return DeliveryRecord(
        webhook_id=named,
        destination=destination.name,
        queue=queue,
        sequence=sequence,
        alert_id="",
        title="",
        at=at,
        next_at=now,
        body=None,
    )


def _written(record: DeliveryRecord, write: Callable[[], tuple[str, bytes]]) -> DeliveryRecord:
    """Write a delivery's title and body; after an error in Pulssi itself it is given up, and the others continue."""
    try:
        title, body = write()
    except Exception as error:  # noqa: BLE001 - the same change would end each deliverer that reads it
        _LOG.error(
            "delivery %s to %r is given up, an error in Pulssi itself kept its message from being written: %s",
            *(record.webhook_id, record.destination, place_of(error)),
        )
        attempt = DeliveryAttempt(at=record.next_at, outcome="not_sent", why=FAILURES["pulssi_error"])
        return record.model_copy(update={"status": "given_up", "attempts": [attempt], "attempted": 1})
    return record.model_copy(update={"title": title, "body": body.decode()})


def _filtered(destination: Destination) -> str:
    """Hash what decides which tags a destination gets messages about."""
    of = destination.filter
    parts = [destination.events, of.tags, of.channels, of.queues]
    return hashlib.sha256(repr([sorted(part) for part in parts]).encode()).hexdigest()[:16]
