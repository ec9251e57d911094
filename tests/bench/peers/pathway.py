"""The job in Pathway: declarative, with a snapshot to a folder each second.

A contact's history is folded whole when it grows, what came of it before is retracted, and panes follow: the one peer
here that corrects itself when events come late.
"""

from __future__ import annotations

import os
from typing import Any, Final

import pathway as pw  # type: ignore[import-not-found]  # in an environment of its own

from tests.bench import job

COMMIT_MS: Final = 100
SNAPSHOT_MS: Final = 1_000

#: What `job.Seen` holds, as Pathway's types go.
SEEN: Final = tuple[int, str, str, str, str, tuple[str, ...]]
FACTS: Final = tuple[tuple[str, int, int], ...]


def read(value: bytes) -> Any:  # noqa: ANN401 - a tuple, typed where it is applied
    """Validate."""
    return tuple(job.read(value))


def facts_of(history: Any) -> Any:  # noqa: ANN401 - a tuple, typed where it is applied
    """Fold a contact's whole history."""
    contact: dict[str, Any] = {}
    return tuple(tuple(fact) for event in history for fact in job.fold(contact, job.Seen(*event)))


def main() -> None:
    """Run until ended."""
    settings = {"bootstrap.servers": os.environ["BENCH_BROKER"]}
    records = pw.io.kafka.read(
        {**settings, "group.id": "bench-pathway", "auto.offset.reset": "earliest"},
        os.environ["BENCH_TOPIC"],
        format="raw",
        autocommit_duration_ms=COMMIT_MS,
        name="events",
    )
    events = records.select(key=pw.this.key, seen=pw.apply_with_type(read, SEEN, pw.this.data))
    contacts = events.groupby(pw.this.key).reduce(history=pw.reducers.sorted_tuple(pw.this.seen))
    facts = contacts.select(facts=pw.apply_with_type(facts_of, FACTS, pw.this.history)).flatten(pw.this.facts)
    panes = (
        facts.select(pane=pw.this.facts[0], value_ms=pw.this.facts[1], within=pw.this.facts[2])
        .groupby(pw.this.pane)
        .reduce(
            pw.this.pane,
            n=pw.reducers.count(),
            sum_ms=pw.reducers.sum(pw.this.value_ms),
            within=pw.reducers.sum(pw.this.within),
        )
    )
    pw.io.kafka.write(panes, settings, os.environ["BENCH_RESULTS"], format="json")
    backend = pw.persistence.Backend.filesystem(os.environ["BENCH_FOLDER"])
    pw.run(
        monitoring_level=pw.MonitoringLevel.NONE,
        persistence_config=pw.persistence.Config(backend, snapshot_interval_ms=SNAPSHOT_MS),
    )


if __name__ == "__main__":
    main()
