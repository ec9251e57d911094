"""Journal steps for tests of what reads them, and the plain computation that a live view must equal."""

from collections.abc import Iterable
from typing import Final, cast

import orjson

from schemas.contact_record import Deadline, Summary, encode_contact
from schemas.journal import CONTACT, Head, encode_pane, encode_pane_key
from schemas.panes import Pane, PaneKey, TagPane, TagPaneKey
from schemas.policies import Metric
from streams.core.histogram import bucket
from streams.journal.step_assembly import Step

#: Later than any test: what leaves then is never stale.
NEVER: Final = 1 << 53


def due(since: int, target_ms: int, warning_ms: int = 0, metric: Metric = "first_response") -> Deadline:
    """Hold a clock that runs since an instant against a target in clock time."""
    return metric, "p", since, since + target_ms - warning_ms + 1 if warning_ms else None, since + target_ms + 1


def summary(**changes: object) -> Summary:
    """Write the summary of an open chat in billing that changed last at 0, with the changes given."""
    plain: dict[str, object] = dict.fromkeys(Summary.__annotations__)
    plain |= dict.fromkeys(("team", "segment", "language", "customer_id", "source"), "")
    plain |= {name: [] for name in ("agents", "tags", "handling_agents", "clocks", "pauses", "deadlines")}
    plain |= dict.fromkeys(("started_at", "last_at", "reopens", "replies", "handling"), 0)
    plain |= {"partial": False, "discarded": False, "open": True, "inbound": True, "v": 1, "step": 1}
    plain |= {"channel": "chat", "queue": "billing", "priority": "normal", "leaves_at": NEVER}
    return cast("Summary", plain | changes)


def contact_key(contact_id: str) -> bytes:
    """Write a contact's key."""
    return CONTACT + contact_id.encode()


def contact(of: Summary) -> bytes:
    """Write a contact's record; its events and rows are nobody's business here."""
    return encode_contact(of, [], [], [])


def pane_of(
    values: Iterable[int], *, target: int | None = None, short: int | None = None, score: int | None = None
) -> Pane:
    """Count durations in milliseconds into a pane, against a target; below `short` they are short."""
    values = list(values)
    hist: dict[int, int] = {}
    for value in values:
        hist[bucket(value)] = hist.get(bucket(value), 0) + 1
    held = values if target is not None else []
    return Pane(
        n=len(values),
        n_target=len(held),
        n_within=sum(value <= (target or 0) for value in held),
        n_short=sum(value < short for value in held) if short is not None else 0,
        sum_ms=sum(values),
        sum_value=score * len(values) if score is not None else 0,
        hist=hist,
    )


def pane_record(
    start: int, queue: str, sample: str, pane: Pane, *, epoch: int = 1, team: str = ""
) -> tuple[bytes, bytes]:
    """Write a pane's record."""
    return encode_pane_key(PaneKey(epoch, start, queue, "normal", team, "", sample)), encode_pane(pane)


def tag_record(start: int, queue: str, tag: str, n: int, *, known: bool = True, epoch: int = 1) -> tuple[bytes, bytes]:
    """Write a tag pane's record."""
    return encode_pane_key(TagPaneKey(epoch, start, queue, tag)), orjson.dumps(list(TagPane(n, known)))


class Journal:
    """Makes the steps of one source partition, with offsets and heads as a worker writes them."""

    def __init__(self, source: str = "contacts.chat", partition: int = 0, epoch: int = 1) -> None:
        self.source = source
        self.partition = partition
        self.head = Head(epoch=epoch, open=0)
        self.offset = 1

    def step(self, *records: tuple[bytes, bytes | None]) -> Step:
        """Make the next step."""
        kept = [(self.offset + place, key, value) for place, (key, value) in enumerate(records)]
        self.offset += len(records) + 1
        self.head = self.head._replace(next=self.head.next + 1, step=self.head.step + 1)
        return Step(self.source, self.partition, self.head, self.offset, kept)
