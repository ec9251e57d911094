"""Applies events that sort after everything already folded to a contact's last fold: the fast way to its next record.

Anything else (a late, repeated or conflicting event, other rules) is refolded from the record by `streams.core.refold`.
Both ways give the same result. `FoldCache` keeps the last folds.
"""

from collections.abc import Sequence

from schemas.contact_record import IssuedSample, Summary, encode_event, encode_issued, join_contact
from schemas.events import MODELS
from schemas.policies import Rules
from schemas.samples import Sample
from streams.core.event import Event, order
from streams.core.fold import Fold
from streams.core.issued_samples import ContactChange, SampleKey, replace_issued


class IncrementalFold:
    """A contact's last fold, with no more of its record than the next one needs."""

    __slots__ = (
        *("_encoded_events", "_encoded_provisional", "_encoded_final", "_fold", "_ids", "_last_event"),
        *("_provisional", "_provisional_issued", "_retracted_steps"),
    )

    def __init__(
        self,
        fold: Fold,
        events: list[Event],
        issued: dict[SampleKey, IssuedSample],
        retracted_steps: dict[SampleKey, int],
        provisional: list[Sample],
    ) -> None:
        """Continue a fold to which all these events were applied; `provisional` are its samples that may yet change."""
        self._fold = fold
        self._ids = {event.event_id for event in events}
        self._last_event = events[-1]
        #: The samples that may yet change, as the fold gives them and as they are issued.
        self._provisional = provisional
        self._provisional_issued = {sample[:2]: issued[sample[:2]] for sample in provisional}
        self._encoded_provisional = _encoded(self._provisional_issued)
        self._retracted_steps = retracted_steps
        self._encoded_events = bytearray(b",".join([encode_event(event) for event in events]))
        self._encoded_final = bytearray(
            b",".join([encode_issued(*each) for key, each in issued.items() if key not in self._provisional_issued])
        )
        fold.writer.samples.clear()

    def apply(self, arrived: Sequence[Event], rules: Rules, step: int, as_of: int = 0) -> ContactChange | None:
        """Apply events; None where one is known already or sorts before a folded one, or where other rules hold now.

        Some of them may have been applied by then: after None this object is of use only if all events were known.
        """
        fold, ids = self._fold, self._ids
        if fold.rules is not rules or not arrived:
            return None
        following = arrived if len(arrived) == 1 else sorted(arrived, key=order)
        first, last = following[0], self._last_event
        if first.at <= last.at and order(first) < order(last):
            return None
        fold.as_of = as_of
        for event in following:
            if event.event_id in ids:
                return None
            ids.add(event.event_id)
            if event.type in MODELS:
                if not fold.can_apply(event):
                    return None
                fold.apply(event)
        self._last_event = following[-1]
        self._encoded_events += b"".join([b"," + encode_event(event) for event in following])
        return self._change(step)

    def _change(self, step: int) -> ContactChange:
        final, provisional, summary = self._fold.result()
        issued: list[Sample] = list(final)
        retracted: list[Sample] = []
        if final:
            for sample in final:
                self._retracted_steps.pop(sample[:2], None)
            encoded = b",".join([encode_issued(step, sample) for sample in final])
            self._encoded_final += b"," + encoded if self._encoded_final else encoded
            self._fold.writer.samples.clear()
        if provisional != self._provisional:
            self._provisional_issued, retracted, also_issued = replace_issued(
                provisional, self._provisional_issued, self._retracted_steps, step
            )
            issued += also_issued
            self._provisional, self._encoded_provisional = provisional, _encoded(self._provisional_issued)
        return ContactChange(self.record(summary, step), retracted, issued, 0)

    def record(self, summary: Summary, step: int) -> bytes:
        """Write the contact's record."""
        summary["step"] = step
        issued: bytes | bytearray = self._encoded_final
        if self._encoded_provisional:
            issued = issued + b"," + self._encoded_provisional if issued else self._encoded_provisional
        retracted = [(since, *key) for key, since in self._retracted_steps.items()]
        return join_contact(summary, self._encoded_events, issued, retracted)


def _encoded(issued: dict[SampleKey, IssuedSample]) -> bytes:
    return b",".join([encode_issued(*each) for each in issued.values()])


class FoldCache:
    """Keeps the last folds of the contacts with the latest events, so that their next event needs no refold.

    A fold is found only for the very record that it wrote: where anything else changed that record (a journal that was
    read, an eviction), the contact is refolded. What was not used while the younger of two generations filled up is
    dropped.
    """

    def __init__(self, at_most: int = 10_000) -> None:
        self._generation_size = at_most // 2
        self._young: dict[bytes, tuple[bytes, IncrementalFold]] = {}
        self._old: dict[bytes, tuple[bytes, IncrementalFold]] = {}

    def get(self, contact_id: bytes, value: bytes) -> IncrementalFold | None:
        """Find the fold that wrote this record; one of the older generation stays only if it is `put` again."""
        cached = self._young.get(contact_id) or self._old.pop(contact_id, None)
        return cached[1] if cached is not None and cached[0] is value else None

    def put(self, contact_id: bytes, value: bytes, fold: IncrementalFold) -> None:
        """Keep a fold with the record that it wrote."""
        if len(self._young) >= self._generation_size and contact_id not in self._young:
            self._old, self._young = self._young, {}
        self._young[contact_id] = value, fold

    def replace_record(self, contact_id: bytes, before: bytes, value: bytes) -> None:
        """Find the contact's fold, if it is here, by another record from now on, which has the same events."""
        cached = self.get(contact_id, before)
        if cached is not None:
            self.put(contact_id, value, cached)
