"""Produces the records of a chaos run, slice by slice, beside what happens to the parts meanwhile."""

import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from confluent_kafka import Producer

from schemas.settings import Settings
from streams.kafka.partitioner import partition_of
from tests.chaos.records import PlannedRecord

FLUSHED_WITHIN_S: Final = 120.0
#: Records between two looks at the clock.
_AT_ONCE: Final = 50


class Feed(threading.Thread):
    """Produces up to a limit at a steady rate, then waits for another."""

    def __init__(self, settings: Settings, records: Sequence[PlannedRecord], per_second: float) -> None:
        super().__init__(daemon=True)
        self._records = records
        self._per_second = per_second
        self._partitions = settings.partitions
        self._brokers = settings.kafka_brokers
        self.reconnect()
        self._changed = threading.Condition()
        self._limit = 0
        self._stopped = False
        self._failed: Exception | None = None
        #: Records handed to the producer.
        self.sent = 0
        #: Each bad record's code, by its number.
        self.bad: dict[int, str] = {}
        self.strays = 0

    def reconnect(self) -> None:
        """Forget what is known of topics: one was recreated. Only while it waits, with all acknowledged."""
        self._producer = Producer(
            {
                "bootstrap.servers": self._brokers,
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "log_level": 2,  # a broker that is away is what happens here
                "enable.idempotence": True,
            }
        )

    def allow(self, limit: int) -> None:
        """Let it go on up to a record."""
        with self._changed:
            self._limit = max(self._limit, limit)
            self._changed.notify_all()

    def until(self, sent: int) -> None:
        """Wait until so many are produced."""
        with self._changed:
            self._changed.wait_for(lambda: self.sent >= sent or self._failed is not None)
        if self._failed is not None:
            raise self._failed

    def flush(self) -> None:
        """Have all that was sent acknowledged by the broker."""
        left = self._producer.flush(FLUSHED_WITHIN_S)
        assert left == 0, f"{left} records are not acknowledged after {FLUSHED_WITHIN_S:g} s"

    def stop(self) -> None:
        """Produce nothing more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def run(self) -> None:
        """Produce them all."""
        try:
            while self.sent < len(self._records):
                with self._changed:
                    self._changed.wait_for(lambda: self.sent < self._limit or self._stopped)
                if self._stopped:
                    return
                self._slice(min(self._limit, self.sent + _AT_ONCE))
        except Exception as error:  # noqa: BLE001 - told where the run waits for it
            with self._changed:
                self._failed = error
                self._changed.notify_all()

    def _slice(self, end: int) -> None:
        began, first = time.monotonic(), self.sent
        for record in self._records[first:end]:
            self._send(record)
        self._producer.poll(0)
        with self._changed:
            self.sent = end
            self._changed.notify_all()
        time.sleep(max(0.0, (end - first) / self._per_second - (time.monotonic() - began)))

    def _send(self, record: PlannedRecord) -> None:
        more: dict[str, Any] = {}
        if record.stray and record.key is not None:
            self.strays += 1
            more["partition"] = (partition_of(record.key, self._partitions) + 1) % self._partitions
        if record.bad:
            self.bad[record.number] = record.bad
            more["headers"] = [("number", b"%d" % record.number)]
        self._producer.produce(record.topic, key=record.key, value=record.value, on_delivery=self._on_delivery, **more)

    def _on_delivery(self, error: object, _message: object) -> None:
        if error is not None:
            self._failed = AssertionError(f"a record was not taken: {error}")
