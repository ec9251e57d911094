"""Looking at a topic before an epoch is begun: what is refused, in words that say why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pytest

from schemas.journal import Head
from schemas.settings import load
from schemas.topics import journal_of
from streams.cluster import Topic
from streams.epochs import survey

SOURCE: Final = "contacts.chat"
READ: Final = Head(next=9, step=1, partitions=1, topic="id")


class StandIn:
    """A cluster with one source partition, whose end is told anew at each question."""

    def __init__(self, *ends: int) -> None:
        self.ends = list(ends)

    async def topics(self) -> dict[str, Topic]:
        """Describe the topics."""
        return {SOURCE: Topic("id", 1), journal_of(SOURCE): Topic("journal", 1)}

    async def bounds(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], tuple[int, int]]:
        """Tell the next end; the last one stays."""
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        return dict.fromkeys(places, (0, end))

    async def stop(self) -> None:
        """Disconnect the cluster."""

    async def close(self) -> None:
        """Disconnect from the logs."""


@pytest.mark.parametrize(
    ("ends", "head", "known", "refused"),
    [
        pytest.param([3, 9], READ, 1, None, id="short for a moment"),
        pytest.param([3], READ, 1, "ends at offset 3, and was read up to 9", id="short"),
        pytest.param([9], READ._replace(topic="other"), 1, "was recreated", id="recreated"),
        pytest.param([9], None, 2, "its journal is missing, and ClickHouse knows epoch 2", id="no journal"),
        pytest.param([9], None, 0, None, id="new"),
        pytest.param([9], READ, 2, "its journal has epoch 1, and ClickHouse knows epoch 2", id="claimed, not begun"),
    ],
)
async def test_what_is_refused(
    monkeypatch: pytest.MonkeyPatch, ends: list[int], head: Head | None, known: int, refused: str | None
) -> None:
    """As a worker would: a log that is short is asked about again before it is called short."""
    cluster = StandIn(*ends)
    monkeypatch.setattr("streams.epochs.Cluster", lambda _: cluster)
    monkeypatch.setattr("streams.epochs.LogEnds", lambda _: cluster)
    monkeypatch.setattr("streams.opening.SHORT_FOR_S", 60.0 if len(ends) > 1 else 0.0)
    monkeypatch.setattr("streams.opening.ASK_AGAIN_S", 0.0)
    [found] = await survey(load({}), SOURCE, {0: known}, {} if head is None else {0: head})
    assert (refused or "None") in str(found.refused)
