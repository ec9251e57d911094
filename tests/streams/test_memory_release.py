"""A released partition leaves the worker's memory, even where the garbage collector no longer looks at it."""

import asyncio
import gc
import time
import weakref
from collections.abc import Iterator
from typing import Any, Final

import pytest

from schemas.policies import Rules
from streams.assignment.assigned_partitions import AssignedPartitions
from streams.assignment.recovery import KEPT_FOR_S, ReleasedPartition
from streams.configuration.environment import load_settings
from streams.partition.state import PartitionState
from tests.streams.stand_ins import EmptyArchive

PLACE: Final = ("contacts.chat", 0)


class Contacts(dict[bytes, bytes]):
    """Contacts that can be watched."""


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Leave nothing frozen behind."""
    yield
    gc.unfreeze()


def _partition() -> tuple[PartitionState, weakref.ref[Contacts]]:
    partition = PartitionState(*PLACE, Rules())
    partition.contacts = contacts = Contacts()
    return partition, weakref.ref(contacts)


def _is_gone(seen: weakref.ref[Contacts]) -> bool:
    gc.collect()  # as a worker does once a minute
    return seen() is None


async def test_what_went_to_another_worker_is_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition that does not come back is kept for a while; a worker's collections in between are no matter."""
    monkeypatch.setattr("streams.assignment.assigned_partitions.MAINTAIN_EVERY_S", 0.0)
    partitions, checked = AssignedPartitions(load_settings(), Rules(), EmptyArchive()), asyncio.Event()

    async def look() -> None:
        checked.set()

    monkeypatch.setattr(partitions.topics, "check", look)
    partition, seen = _partition()
    partitions._released[PLACE] = ReleasedPartition(partition, 1, time.monotonic() - KEPT_FOR_S)  # noqa: SLF001 - ten minutes later
    del partition
    gc.collect()
    gc.freeze()
    maintenance = asyncio.ensure_future(partitions.maintain())
    async with asyncio.timeout(5):
        await checked.wait()
    maintenance.cancel()
    assert _is_gone(seen)


async def test_an_opening_that_failed_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that was read for minutes, in vain, is not kept beside the next attempt's."""
    seen: list[weakref.ref[Contacts]] = []

    async def opened(*_: Any, **__: Any) -> None:  # noqa: ANN401 - as it is called
        partition, contacts = _partition()
        seen.append(contacts)
        gc.collect()
        gc.freeze()
        del partition
        raise ValueError("not this time")

    monkeypatch.setattr("streams.assignment.assigned_partitions.take_over", opened)
    partitions = AssignedPartitions(load_settings(), Rules(), EmptyArchive())
    with pytest.raises(ValueError, match="not this time"):
        await partitions.assign(frozenset({PLACE}))
    assert _is_gone(seen[0])
