"""Workers killed, paused and told to stop, broker, ClickHouse and sink away: no number differs from the batch fold."""

from pathlib import Path

import pytest

from tests.chaos.run import chaos, short
from tests.kafka.server import KafkaServer


@pytest.mark.long
def test_no_number_differs(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """The short course: every view and the dead letters are as they should be, and what was to happen did."""
    outcome = chaos(fresh_kafka, short(), tmp_path / "pulssi")
    assert outcome.faults == []
    assert outcome.counted["contacts evicted, at least"] > 100
    assert outcome.counted["contacts revived, at least"] > 10
    assert outcome.counted["supplement rows in ClickHouse"] > 10
    assert outcome.counted["contacts parked, at least"] > 0
