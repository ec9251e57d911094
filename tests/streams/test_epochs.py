"""Looking at a topic and beginning an epoch of it: what is refused, in words that say why, and what never hangs."""

from collections.abc import Iterable
from typing import Any, Final

import pytest
from aiokafka.errors import ProducerFenced

from schemas.journal import Head, JournalVersionError
from schemas.policies import Rules
from schemas.topics import journal_of
from streams.assignment.epochs import ATTEMPTS, SurveyedPartition, begin, survey
from streams.assignment.recovery import recover
from streams.assignment.takeover import RefusedError
from streams.configuration.environment import load_settings
from streams.journal.step_assembly import RecreatedError
from streams.journal.writer import StepTooLargeError
from streams.kafka.cluster import TopicDescription
from tests.streams.followers import JOURNAL
from tests.streams.modelled_log import Broker, Consumer
from tests.streams.stand_ins import StandInCluster

SOURCE: Final = "contacts.chat"
READ: Final = Head(next=9, step=1, partitions=1, topic="id")


class OnePartitionCluster(StandInCluster):
    """A cluster with one source partition, whose next end is returned at each question."""

    def __init__(self, *ends: int) -> None:
        super().__init__({SOURCE: TopicDescription("id", 1), journal_of(SOURCE): TopicDescription("journal", 1)})
        self.ends = list(ends)

    async def stable(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Tell that each journal has a record."""
        return dict.fromkeys(places, 1)

    async def bounds(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], tuple[int, int]]:
        """Tell the next end; the last one stays."""
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        return dict.fromkeys(places, (0, end))

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
    cluster = OnePartitionCluster(*ends)
    monkeypatch.setattr("streams.assignment.epochs.Cluster", lambda _: cluster)
    monkeypatch.setattr("streams.assignment.epochs.LogEnds", lambda _: cluster)
    monkeypatch.setattr("streams.assignment.takeover.LOG_SHORT_FOR_S", 60.0 if len(ends) > 1 else 0.0)
    monkeypatch.setattr("streams.assignment.takeover.ASK_AGAIN_S", 0.0)
    [found] = await survey(load_settings({}), SOURCE, {0: known}, {} if head is None else {0: head})
    assert (refused or "None") in str(found.refused)


@pytest.mark.parametrize(
    ("error", "raised", "said", "attempts"),
    [
        (RecreatedError(), RefusedError, r"contacts.chat.journal/0 was recreated.*`pulssi epoch begin", ATTEMPTS),
        (StepTooLargeError("too large"), RefusedError, r"contacts.chat/0: too large.*`pulssi epoch begin", 1),
        (JournalVersionError("version 2"), RefusedError, r"contacts.chat.journal/0: version 2", 1),
        (ProducerFenced(), ProducerFenced, "ProducerFenced", ATTEMPTS),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_what_an_epoch_fails_on_is_said_in_a_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, raised: type[Exception], said: str, attempts: int
) -> None:
    """Each line names the partition and what to do; what may pass is tried again first."""
    tried = 0

    async def fails(*_: object) -> None:
        nonlocal tried
        tried += 1
        raise error

    monkeypatch.setattr("streams.assignment.epochs._begin_once", fails)
    archive: Any = None
    with pytest.raises(raised, match=said):
        await begin(
            load_settings({}), Rules(), SurveyedPartition((SOURCE, 0), None, ""), 2, archive, OnePartitionCluster(0)
        )
    assert tried == attempts


async def test_reading_a_journal_ends_where_the_broker_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """It brings nothing then, and raises nothing: where heads are looked for, and where all is read back."""
    monkeypatch.setattr("streams.kafka.log_ends.AIOKafkaConsumer", lambda **_: Consumer(Broker(), JOURNAL))
    for module in ("epochs", "recovery"):
        monkeypatch.setattr(f"streams.assignment.{module}.NO_RECORD_FOR_S", 0.05)
    monkeypatch.setattr("streams.assignment.epochs.Cluster", lambda _: OnePartitionCluster(0))
    monkeypatch.setattr("streams.assignment.epochs.LogEnds", lambda _: OnePartitionCluster(0))
    with pytest.raises(TimeoutError):
        await survey(load_settings({}), SOURCE, {})
    with pytest.raises(TimeoutError):
        await recover(load_settings({}), Rules(), (SOURCE, 0), 7, None)
