"""The brokers that figures are measured on."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.kafka.apache import ApacheKafka
from tests.kafka.server import KafkaServer


@contextlib.contextmanager
def broker() -> Iterator[KafkaServer]:
    """Run a new one."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = ApacheKafka(Path(folder) / "kafka")
        server.start()
        try:
            yield server
        finally:
            server.stop()
