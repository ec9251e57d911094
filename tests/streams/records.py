"""Source records as aiokafka gives them, made by hand, and what panes in journal records sum up to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from schemas.journal import PANE, decode_pane, decode_pane_key
from schemas.policies import Rules
from schemas.topics import CONTACTS
from streams.journal.step_assembly import StepAssembly
from streams.partition.state import PartitionState
from streams.partition.step_to_write import StepToWrite

RECEIVED: Final = 1_900_000_000_000


@dataclass
class Record:
    """A source record."""

    offset: int
    key: bytes | None
    value: bytes | None
    topic: str = CONTACTS["chat"]
    partition: int = 0
    timestamp: int = RECEIVED
    headers: Sequence[tuple[str, bytes]] = ()


def records_of(events: Iterable[Mapping[str, Any]], partition: int = 0) -> list[Record]:
    """Write contacts' events as the records of one partition of chats, from offset 0 on."""
    return [
        Record(at, event["contact_id"].encode(), orjson.dumps(event), partition=partition)
        for at, event in enumerate(events)
    ]


def opened(source: str = CONTACTS["chat"], rules: Rules | None = None) -> PartitionState:
    """Make a partition that was just opened on an empty journal."""
    partition = PartitionState(source, 0, rules or Rules())
    partition.begin(opened=0, epoch=1)
    return partition


def reopened(outputs: Iterable[StepToWrite], source: str = CONTACTS["chat"]) -> PartitionState:
    """Open a partition on the journal that these steps make."""
    partition, assembly = PartitionState(source, 0, Rules()), StepAssembly(source, 0)
    written = [record for output in outputs for record in output.records]
    for offset, (key, value) in enumerate(written, start=1):
        step = assembly.feed(offset, key, value)
        if step is not None:
            partition.load(step)
    partition.begin(opened=999, epoch=1)
    return partition


def pane_totals(written: Mapping[bytes, bytes | None]) -> dict[tuple[str, str], tuple[int, ...]]:
    """Sum panes by sample and queue: n, sum_ms, n_target, n_within, n_short, n_satisfied and sum_value."""
    totals: dict[tuple[str, str], tuple[int, ...]] = {}
    for key, value in written.items():
        if key[:1] == PANE and value is not None:
            of, pane = decode_pane_key(key), decode_pane(value)
            targets = pane.n_target, pane.n_within, pane.n_short
            counted = pane.n, pane.sum_ms, *targets, pane.n_satisfied, pane.sum_value
            before = totals.get((of.sample, of.queue), (0,) * len(counted))
            totals[of.sample, of.queue] = tuple(a + b for a, b in zip(before, counted, strict=True))
    return {key: counters for key, counters in totals.items() if any(counters)}


def business_totals(written: Mapping[bytes, bytes | None]) -> dict[tuple[str, str], tuple[int, int]]:
    """Sum panes' business time by sample and queue: count and milliseconds; the histogram counts the same."""
    totals: dict[tuple[str, str], tuple[int, int]] = {}
    for key, value in written.items():
        if key[:1] == PANE and value is not None:
            of, pane = decode_pane_key(key), decode_pane(value)
            assert sum(pane.business_hist.values()) == pane.business_n
            n, sum_ms = totals.get((of.sample, of.queue), (0, 0))
            totals[of.sample, of.queue] = n + pane.business_n, sum_ms + pane.business_sum_ms
    return {key: total for key, total in totals.items() if any(total)}
