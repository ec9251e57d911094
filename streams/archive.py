"""What the streams ask ClickHouse: how often a source partition was made anew."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError
from tenacity import AsyncRetrying, wait_exponential

from schemas.settings import Settings

_BACK_OFF: Final = wait_exponential(multiplier=0.2, max=5.0)
_LOG: Final = logging.getLogger(__name__)


class Archive:
    """ClickHouse as the worker sees it. Waits for it where it is away, and says so."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def last_epoch(self, topic: str, partition: int) -> int:
        """Give the number of the last epoch of a source partition that was kept, 0 where none was."""
        async for attempt in AsyncRetrying(
            wait=_BACK_OFF,
            before_sleep=lambda state: _LOG.warning(
                "waiting for ClickHouse and its tables (`pulssi migrate`) to ask for epochs of %s/%d: attempt %d",
                *(topic, partition, state.attempt_number),
            ),
        ):
            with attempt:
                return await asyncio.to_thread(self._last_epoch, topic, partition)
        raise AssertionError  # the loop above only ends by returning

    def _last_epoch(self, topic: str, partition: int) -> int:
        try:
            with clickhouse_connect.get_client(dsn=self._settings.clickhouse_url) as client:
                rows = client.query(
                    "SELECT max(epoch) FROM {database:Identifier}.progress"
                    " WHERE topic = {topic:String} AND partition = {partition:UInt32}",
                    parameters={
                        "database": self._settings.clickhouse_database,
                        "topic": topic,
                        "partition": partition,
                    },
                ).result_rows
        except ClickHouseError as error:
            raise ConnectionError(str(error)) from None
        return int(rows[0][0])
