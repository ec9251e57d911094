"""The job in Quix Streams: stateful steps on RocksDB with changelog topics, a checkpoint a second, at least once.

A pane's counter is keyed by the pane, so facts go through a topic of their own (`group_by`), as Quix has it. Its
tumbling windows would pass late events over; counters in state take them all.
"""

from __future__ import annotations

import os
from typing import Any

import quixstreams  # type: ignore[import-not-found]  # in an environment of its own
from quixstreams.models import TopicConfig  # type: ignore[import-not-found]  # as above

from tests.bench import job


def work(event: job.Seen, state: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - Quix's state
    """Fold an event into its contact."""
    contact = state.get("contact", {})
    facts = job.fold(contact, event)
    state.set("contact", contact)
    return [fact._asdict() for fact in facts]


def count(fact: dict[str, Any], state: Any) -> job.Pane:  # noqa: ANN401 - Quix's state
    """Put a fact into its pane."""
    pane = job.add(state.get("pane", job.EMPTY), job.Fact(**fact))
    state.set("pane", pane)
    return pane


def main() -> None:
    """Run until ended."""
    app = quixstreams.Application(
        broker_address=os.environ["BENCH_BROKER"],
        consumer_group="bench-quixstreams",
        auto_offset_reset="earliest",
        commit_interval=1.0,
        state_dir=os.environ["BENCH_FOLDER"],
        loglevel="WARNING",
        topic_create_timeout=30,
    )
    one_copy = TopicConfig(num_partitions=int(os.environ["BENCH_PARTITIONS"]), replication_factor=1)
    events = app.topic(os.environ["BENCH_TOPIC"], key_deserializer="str", value_deserializer="bytes")
    results = app.topic(os.environ["BENCH_RESULTS"], key_serializer="str", value_serializer="json", config=one_copy)
    flow = app.dataframe(events)
    flow = flow.apply(job.read).apply(work, stateful=True, expand=True)
    flow = flow.group_by("pane").apply(count, stateful=True)
    flow.to_topic(results)
    app.run()


if __name__ == "__main__":
    main()
