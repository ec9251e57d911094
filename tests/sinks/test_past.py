"""What a new journal takes over from ClickHouse: cut by the clock, by partition, and never by one event's time."""

from __future__ import annotations

from typing import Final

from clickhouse_connect.driver.client import Client

from schemas.journal import decode_pane_key
from schemas.panes import PANE_MS
from schemas.settings import Settings
from sinks.clickhouse.keeper import ClickHouseKeeper
from sinks.port import Batch
from streams.archive import CARRIED_MS, ClickHouseArchive
from streams.routing import partition_of
from tests.sinks.contract import event, pane, tag_pane

CHAT: Final = "contacts.chat"
PARTITIONS: Final = 5
DAY_MS: Final = 24 * 3_600_000
NOW: Final = 1_772_438_400_000
MANY: Final = 500


async def test_one_pane_dated_ahead_cuts_nothing(database: Settings, client: Client) -> None:
    """Today's panes are taken over although one is of the day after tomorrow; those of last week are not."""
    del client
    starts = [NOW - 9 * DAY_MS, NOW - CARRIED_MS + PANE_MS, NOW - PANE_MS, NOW + 2 * DAY_MS]
    starts = [start - start % PANE_MS for start in starts]
    keeper = ClickHouseKeeper(database)
    keeper.write(
        Batch(
            panes=[pane(pane_start=start) for start in starts],
            tag_panes=[tag_pane(pane_start=start) for start in starts],
        )
    )
    keeper.close()
    past = await ClickHouseArchive(database).past(CHAT, 0, PARTITIONS, NOW)
    carried = sorted(decode_pane_key(key).start for key, _ in past.panes if key[:1] == b"p")
    assert carried == starts[1:]
    assert len(past.panes) == 2 * len(carried)


async def test_contacts_are_those_of_the_partition(database: Settings, client: Client) -> None:
    """ClickHouse picks them as Kafka's own clients partition, whatever the bytes of their ids."""
    del client
    names = [f"contact-{number}" for number in range(MANY)] + ["", "ä", "日本", "x" * 200, "a b", "1"]
    keeper = ClickHouseKeeper(database)
    keeper.write(Batch(events=[event(contact_id=name) for name in names]))
    keeper.close()
    archive = ClickHouseArchive(database)
    for number in range(PARTITIONS):
        past = await archive.past(CHAT, number, PARTITIONS, NOW)
        should = {name.encode() for name in names if partition_of(name.encode(), PARTITIONS) == number}
        assert set(past.contacts) == should
