"""The job in Bytewax: keyed stateful steps, snapshots to a recovery store each second, at least once to Kafka."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import bytewax.operators as op  # type: ignore[import-not-found]  # in an environment of its own
from bytewax.connectors.kafka import (  # type: ignore[import-not-found]  # as above
    KafkaSink,
    KafkaSinkMessage,
    KafkaSource,
)
from bytewax.dataflow import Dataflow  # type: ignore[import-not-found]  # as above
from bytewax.recovery import RecoveryConfig, init_db_dir  # type: ignore[import-not-found]  # as above
from bytewax.run import cli_main  # type: ignore[import-not-found]  # as above

from tests.bench import job

BATCH: Final = 1_000
SNAPSHOT_EVERY: Final = timedelta(seconds=1)


def keyed(message: Any) -> tuple[str, job.Seen]:  # noqa: ANN401 - Bytewax's message
    """Validate, and key by contact."""
    return message.key.decode(), job.read(message.value)


def work(contact: dict[str, Any] | None, event: job.Seen) -> tuple[dict[str, Any], list[job.Fact]]:
    """Fold an event into its contact."""
    contact = contact or {}
    return contact, job.fold(contact, event)


def count(pane: job.Pane | None, fact: job.Fact) -> tuple[job.Pane, job.Pane]:
    """Put a fact into its pane."""
    pane = job.add(pane or job.EMPTY, fact)
    return pane, pane


def message_of(pane: tuple[str, job.Pane]) -> Any:  # noqa: ANN401 - Bytewax's message
    """Write a pane."""
    return KafkaSinkMessage(pane[0].encode(), job.encode(pane[1]))


def main() -> None:
    """Run until ended."""
    brokers, folder = [os.environ["BENCH_BROKER"]], Path(os.environ["BENCH_FOLDER"])
    init_db_dir(folder, 1)
    flow = Dataflow("bench")
    events = op.input("events", flow, KafkaSource(brokers, [os.environ["BENCH_TOPIC"]], batch_size=BATCH))
    facts = op.stateful_flat_map("contacts", op.map("read", events, keyed), work)
    by_pane = op.map("by pane", facts, lambda fact: (fact[1].pane, fact[1]))
    panes = op.stateful_map("panes", by_pane, count)
    op.output("results", op.map("write", panes, message_of), KafkaSink(brokers, os.environ["BENCH_RESULTS"]))
    cli_main(flow, epoch_interval=SNAPSHOT_EVERY, recovery_config=RecoveryConfig(folder))


if __name__ == "__main__":
    main()
