"""The worker: Faust agents over batches, one a channel. It wires decoding, folding and writing together.

`run` is the whole process: it waits for the broker and the topics, runs until SIGTERM or Ctrl-C, and closes its
partitions. A bug ends the process at once: its memory may be ahead of the journal.
"""

import asyncio
import gc
import logging
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import faust

from schemas.exits import Exit
from schemas.settings import Settings
from schemas.topics import DEAD_LETTERS, SOURCES, journal_of
from streams import compilation
from streams.assignment.assigned_partitions import AssignedPartitions
from streams.assignment.failures import During, react
from streams.clickhouse.archive import ClickHouseArchive
from streams.configuration.environment import config_folder
from streams.configuration.folder import FOLD_FILES
from streams.configuration.reloading import WatchedRules, follow
from streams.journal.tail import connect
from streams.kafka.faust_transport import BatchTransport
from streams.kafka.static_membership import member_name
from streams.monitoring.watchdog import watched
from streams.monitoring.worker_health import BatchMetrics, worker_health_server
from streams.tasks import cancel, stop_on_signals

#: Records of one fetch at most: what bounds a batch when catching up.
BATCH_RECORDS: Final = 16_000
#: Bytes of one partition in one fetch at most: so many that a backlog comes in batches of thousands, and a contact's
#: events together.
FETCH_BYTES: Final = 6 * 1024 * 1024
#: Batches that wait in an agent's channel; more would be latency, fewer would idle. Batches grow with the backlog.
BATCHES_AHEAD: Final = 4

#: How long the partitions of a worker without a name stand still when it dies.
SESSION_TIMEOUT_S: Final = 6.0
HEARTBEAT_S: Final = 1.0
#: How soon the partitions of a new or recreated topic are assigned to a worker.
METADATA_MS: Final = 5_000
REBALANCE_TIMEOUT_S: Final = 3.0
#: Above the longest opening of a journal, which Faust counts as one request.
REQUEST_TIMEOUT_S: Final = 660.0

#: How often the garbage collector runs, over the objects made since: steps make many objects, none of them in cycles,
#: and going over all of them again and again took a quarter of a worker's time.
COLLECT_EVERY_S: Final = 60.0

#: How long stopping may take before the process ends instead.
STOP_WITHIN_S: Final = 20.0

_LOG: Final = logging.getLogger(__name__)


class Worker(faust.App):
    """Faust's app with the partitions that its transport opens."""

    logger = logging.getLogger("faust")  # else mode logs as this module

    def __init__(
        self,
        settings: Settings,
        partitions: AssignedPartitions,
        batch_metrics: BatchMetrics,
        folder: Path,
        partition_counts: Mapping[str, int],
    ) -> None:
        name = member_name(settings.worker_name, partition_counts) if settings.worker_name else None
        super().__init__(
            settings.application,
            broker=f"kafka://{settings.kafka_brokers.replace(',', ';kafka://')}",
            topic_partitions=settings.partitions,
            topic_disable_leader=True,
            topic_allow_declare=False,
            web_enabled=False,
            stream_wait_empty=False,
            stream_buffer_maxsize=BATCHES_AHEAD,
            broker_max_poll_records=BATCH_RECORDS,
            consumer_max_fetch_size=FETCH_BYTES,
            broker_session_timeout=settings.worker_away_s if name else SESSION_TIMEOUT_S,
            broker_heartbeat_interval=HEARTBEAT_S,
            consumer_group_instance_id=name,
            # Faust refuses an assignment that was made for another host; a restarted worker may be on another one.
            node_hostname=settings.worker_name or None,
            broker_rebalance_timeout=REBALANCE_TIMEOUT_S,
            broker_request_timeout=REQUEST_TIMEOUT_S,
            broker_commit_interval=1.0,
            consumer_metadata_max_age_ms=METADATA_MS,
            datadir=str(folder),
        )
        self.partitions = partitions
        self.transport = BatchTransport(self.conf.broker_consumer, self, self.loop)
        for source in SOURCES:
            topic = self.topic(source, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
            self.agent(topic, name=source)(_agent_of(partitions, batch_metrics))


def _agent_of(partitions: AssignedPartitions, batch_metrics: BatchMetrics) -> Callable[[Any], Awaitable[None]]:
    """Make the agent of one source: it passes each batch on and decides nothing."""

    async def agent(stream: Any) -> None:  # noqa: ANN401 - Faust is untyped
        async for event in stream.events():
            # `BatchThread` makes a message of a whole fetch.
            fetch, records = event.message.key, event.message.value
            partition = event.message.topic, event.message.partition
            try:
                if await partitions.process_batch(partition, fetch.session, fetch.offset, records):
                    batch_metrics.committed(partition, records, fetch.fetched_at, fetch.log_end)
            except Exception as error:  # noqa: BLE001 - raised on, Faust would acknowledge the batch and continue
                react(During.ANYTHING, error)

    return agent


async def serve(
    settings: Settings, archive: ClickHouseArchive, stop: asyncio.Event, configuration: WatchedRules | None = None
) -> int:
    """Run a worker until `stop` is set; returns its exit status. Without a configuration, the defaults hold."""
    garbage_collection = asyncio.ensure_future(_collect_garbage_periodically())
    configuration = configuration or WatchedRules(None)
    partitions = AssignedPartitions(settings, configuration.rules, archive)
    reloading = asyncio.ensure_future(follow(configuration, partitions.use_rules))
    reloading.add_done_callback(_end_process_on_error)
    batch_metrics = BatchMetrics()
    health = worker_health_server(partitions, batch_metrics, refused=lambda: configuration.refused)
    port = await health.start(settings, "worker")
    _LOG.info("health and metrics at http://%s:%d", settings.bind, port)
    compiled = "C" if compilation.is_compiled() else "Python (`make compiled` makes it C, which is faster)"
    _LOG.info("the code that folds events runs as %s", compiled)
    try:
        if (partition_counts := await _await_topics(settings, stop)) is None:
            return 0
        with (
            tempfile.TemporaryDirectory(prefix="pulssi-worker-") as folder,  # Faust wants one; nothing is kept there
            watched(partitions.activities),
        ):
            return await _run_until_stopped(
                Worker(settings, partitions, batch_metrics, Path(folder), partition_counts), stop
            )
    finally:
        await cancel(reloading, garbage_collection)
        await partitions.close()
        await health.stop()


async def _collect_garbage_periodically() -> None:
    """Run the garbage collector at intervals, over new objects only, instead of whenever many objects were made."""
    gc.disable()
    try:
        while True:
            await asyncio.sleep(COLLECT_EVERY_S)
            gc.collect()
            gc.freeze()
    finally:
        gc.enable()


async def _await_topics(settings: Settings, stop: asyncio.Event) -> dict[str, int] | None:
    """Wait for the broker and the topics, logging that, and count their partitions; None where `stop` was set first."""
    topics = (*SOURCES, *(journal_of(source) for source in SOURCES), DEAD_LETTERS)
    connecting = asyncio.ensure_future(connect(settings, topics))
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({connecting, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not connecting.done():
        await cancel(connecting, stopped)
        return None
    await cancel(stopped)
    consumer = await connecting
    counts = Counter(partition.topic for partition in consumer.assignment() if partition.topic in SOURCES)
    await consumer.stop()
    return counts


async def _run_until_stopped(worker: Worker, stop: asyncio.Event) -> int:
    """Run the app until `stop` is set or it gives up; then end within a bounded time."""
    worker.finalize()
    await worker.start()
    maintenance = asyncio.ensure_future(worker.partitions.maintain())
    maintenance.add_done_callback(_end_process_on_error)
    ended = asyncio.ensure_future(worker.wait_until_stopped())
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if worker.crashed:
        react(During.ANYTHING, worker.crash_reason)
    asyncio.get_running_loop().call_later(STOP_WITHIN_S, react, During.STOPPING, TimeoutError())
    await cancel(maintenance)
    await worker.stop()
    await cancel(ended, stopped)
    return Exit.DONE


def _end_process_on_error(task: asyncio.Future[None]) -> None:
    """End the process where a task that it needs has failed, such as the maintenance of partitions: a bug."""
    if not task.cancelled() and (error := task.exception()) is not None:
        react(During.ANYTHING, error)


def run(settings: Settings) -> int:
    """Run a worker as a process. Raises ConfigurationError."""
    configuration = WatchedRules(config_folder(), settings.time_zone, files=FOLD_FILES)

    async def serve_until_signal() -> int:
        return await serve(settings, ClickHouseArchive(settings), stop_on_signals(), configuration)

    code = asyncio.run(serve_until_signal())
    _LOG.info("the worker has ended in order, its partitions are closed")
    return code
