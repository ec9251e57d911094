"""How far ClickHouse is behind: what `drain` waits for."""

from aiokafka import AIOKafkaProducer

from sinks.lag import LagReader
from sinks.rows import Progress
from tests.kafka.server import KafkaServer
from tests.sinks.running_sink import CHAT


async def test_later_events_are_not_waited_for(fresh_kafka: KafkaServer) -> None:
    """What was there at the first look is waited for, beside a stream that never ends; a recreated topic is behind."""
    settings = fresh_kafka.with_topics(PULSSI_PARTITIONS="1")
    lag_reader = LagReader(settings)
    await lag_reader.start()

    async def behind(position: int) -> int:
        lags = await lag_reader.read([Progress(CHAT, 0, 1, position, 1, 0, 1, 1)])
        return sum(lag.behind for lag in lags)

    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_brokers) as producer:
        seen = []
        for position in (0, 1, 3, 4):
            await producer.send_and_wait(CHAT, b"{}", partition=0)
            await producer.send_and_wait(CHAT, b"{}", partition=0)
            seen.append(await behind(position))
        assert seen == [2, 1, 0, 0]
        assert await behind(9) == 8
    await lag_reader.stop()
