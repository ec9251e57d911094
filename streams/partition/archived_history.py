"""Archived history: what a worker gets from ClickHouse, as plain values. `PartitionState` takes it into memory."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from schemas.samples import Sample
from streams.core.event import Event


class ArchivedContact(NamedTuple):
    """An evicted contact: its events, in no order, and the samples in effect."""

    events: list[Event]
    issued: list[Sample]


class EndedEpochs(NamedTuple):
    """What a new journal needs of the ended epochs of its source partition."""

    #: Every contact of the source topic, whatever its partition.
    contacts: Iterable[bytes] = ()
    #: Those of this partition that are open.
    open: Mapping[bytes, ArchivedContact] = {}
    #: Journal records of the panes that are still shown.
    panes: tuple[tuple[bytes, bytes], ...] = ()
