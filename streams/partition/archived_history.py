"""What ClickHouse tells a worker of the past, as plain values."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from schemas.samples import Sample
from streams.core.event import Event


class ArchivedContact(NamedTuple):
    """What is known of a contact: its events, in no order, and the samples in effect."""

    events: list[Event]
    issued: list[Sample]


class EndedEpochs(NamedTuple):
    """What ended epochs of a source partition left behind, for a journal that does not have it."""

    #: Every contact of the source topic, whatever its partition.
    contacts: Iterable[bytes] = ()
    #: Those of this partition that are open.
    found: Mapping[bytes, ArchivedContact] = {}
    #: Journal records of the panes that are still shown.
    panes: tuple[tuple[bytes, bytes], ...] = ()
