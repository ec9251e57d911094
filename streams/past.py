"""What ClickHouse tells a worker of the past, as plain values."""

from __future__ import annotations

from typing import NamedTuple

from schemas.samples import Sample
from streams.core.event import Event


class Kept(NamedTuple):
    """What is known of a contact: its events, in no order, and the samples in effect."""

    events: list[Event]
    issued: list[Sample]


class Past(NamedTuple):
    """What ended epochs of a source partition left behind."""

    #: The number of the last one, 0 where there was none.
    epoch: int
    #: Every contact of the source topic, whatever its partition.
    contacts: list[bytes]
    #: Those that were open.
    open: list[bytes]
    #: Journal records of the panes that are still shown.
    panes: list[tuple[bytes, bytes]]
    #: Events of the last one that were produced and never came into the archive, as far as anybody saw.
    lost: int = 0
