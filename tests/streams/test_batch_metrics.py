"""What a worker measures of a batch: once, when it is committed, and never of one that comes again."""

import pytest
from aiokafka.errors import KafkaError

from streams.monitoring.prometheus import render
from streams.monitoring.worker_health import BatchMetrics
from tests.streams.records import Record
from tests.streams.stand_ins import OTHER, RECORDS, Worker


def test_a_batch_is_measured_by_its_first_record_and_the_logs_end() -> None:
    """Fetched 0.3 s ago, its first record written 1.2 s ago, and two more records in the log behind it."""
    batches = BatchMetrics(monotonic=lambda: 100.0, now=lambda: 1_000.0)
    records = [Record(7, b"a", b"{}", timestamp=998_800), Record(8, b"a", b"{}", timestamp=999_900)]
    batches.committed(OTHER, records, fetched_at=99.7, log_end=11)
    text = render([], batches.histograms)
    assert batches.lags == {OTHER: 2}
    for at, below, name in (
        ("0.4", "0.25", "pulssi_worker_step_latency_seconds"),
        ("1.25", "1.0", "pulssi_worker_freshness_seconds"),
        ("3.0", "1.0", "pulssi_worker_batch_records"),
        ("3.0", "1.0", "pulssi_worker_batch_lag_records"),
    ):
        assert f'{name}_bucket{{le="{at}",topic="{OTHER[0]}"}} 1.0' in text
        assert f'{name}_bucket{{le="{below}",topic="{OTHER[0]}"}} 0.0' in text


def test_a_clock_that_is_ahead_breaks_no_sum() -> None:
    """A record from the future is fresh, and one behind the log's known end leaves no lag."""
    batches = BatchMetrics(monotonic=lambda: 100.0, now=lambda: 1_000.0)
    batches.committed(OTHER, [Record(7, b"a", b"{}", timestamp=1_000_500)], fetched_at=100.0, log_end=7)
    assert f'pulssi_worker_freshness_seconds_sum{{topic="{OTHER[0]}"}} 0.0' in render([], batches.histograms)
    assert batches.lags == {OTHER: 0}


async def test_only_what_was_committed_is_told_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of another session, one whose step was not written, and one of a closed partition are not."""
    worker = Worker(monkeypatch)
    fetch_offset, session = (await worker.assign(OTHER))[OTHER]
    process = worker.partitions.process_batch
    assert not await process(OTHER, session - 1, fetch_offset, RECORDS)
    assert not await process(("contacts.chat", 2), session, fetch_offset, RECORDS)
    half = len(RECORDS) // 2
    assert await process(OTHER, session, fetch_offset, RECORDS[:half])
    worker.writers[OTHER].fails = KafkaError()
    assert not await process(OTHER, session, half, RECORDS[half:])
    await worker.partitions.close()
