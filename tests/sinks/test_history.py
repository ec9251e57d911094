"""What a new journal takes over from ClickHouse: cut by the clock, by partition, and never by one event's time."""

from typing import Final

from schemas.journal import decode_pane_key
from schemas.panes import PANE_MS
from schemas.settings import Settings
from sinks.port import Batch
from streams.clickhouse.history import CARRIED_MS, ClickHouseHistory
from streams.kafka.partitioner import partition_of
from tests.sinks.rows import event, pane, tag_pane, write

CHAT: Final = "contacts.chat"
PARTITIONS: Final = 5
DAY_MS: Final = 24 * 3_600_000
NOW: Final = 1_772_438_400_000
MANY: Final = 500


async def test_one_pane_dated_ahead_cuts_nothing(database: Settings) -> None:
    """Today's panes are taken over although one is of the day after tomorrow; those of last week are not."""
    starts = [NOW - 9 * DAY_MS, NOW - CARRIED_MS + PANE_MS, NOW - PANE_MS, NOW + 2 * DAY_MS]
    starts = [start - start % PANE_MS for start in starts]
    panes, tag_panes = ([make(pane_start=start) for start in starts] for make in (pane, tag_pane))
    write(database, Batch(panes=panes, tag_panes=tag_panes))
    ended = await ClickHouseHistory(database).ended_epochs(CHAT, 0, PARTITIONS, NOW)
    carried = sorted(decode_pane_key(key).start for key, _ in ended.panes if key[:1] == b"p")
    assert carried == starts[1:]
    assert len(ended.panes) == 2 * len(carried)


async def test_contacts_are_those_of_the_partition(database: Settings) -> None:
    """ClickHouse picks them as Kafka's own clients partition, whatever the bytes of their ids."""
    names = [f"contact-{number}" for number in range(MANY)] + ["", "ä", "日本", "x" * 200, "a b", "1"]
    write(database, Batch(events=[event(contact_id=name) for name in names]))
    archive = ClickHouseHistory(database)
    for number in range(PARTITIONS):
        ended = await archive.ended_epochs(CHAT, number, PARTITIONS, NOW)
        should = {name.encode() for name in names if partition_of(name.encode(), PARTITIONS) == number}
        assert set(ended.contacts) == should
