"""How a worker is: readiness, progress and numbers for Prometheus, from its partitions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from streams.exposition import Metric, Reading, render
from streams.health import Health
from streams.partitions import Partitions

#: A step that takes longer than this is stuck, not slow.
STUCK_AFTER_S: Final = 60.0

EVENTS: Final = Metric("pulssi_worker_events_total", "counter", "Records read since the partition was opened.")
DEAD: Final = Metric("pulssi_worker_dead_letters_total", "counter", "Bad records sent to the dead letters.")
CONFLICTS: Final = Metric(
    "pulssi_worker_conflicts_total", "counter", "Events that came under an id with other contents."
)
STRAYS: Final = Metric("pulssi_worker_strays_total", "counter", "Records sent on to the partition of their key.")
EVICTED: Final = Metric("pulssi_worker_evicted_total", "counter", "Contacts forgotten for their age.")
REVIVED: Final = Metric("pulssi_worker_revived_total", "counter", "Evicted contacts found again in ClickHouse.")
SUPPLEMENTS: Final = Metric("pulssi_worker_supplements_total", "counter", "Changes of panes that were evicted.")
WAITED: Final = Metric("pulssi_worker_parked_total", "counter", "Evicted contacts that had to wait for ClickHouse.")
PARKED: Final = Metric("pulssi_worker_parked", "gauge", "Contacts whose events wait for ClickHouse.")
CONTACTS: Final = Metric("pulssi_worker_contacts", "gauge", "Contacts in memory.")
AGENTS: Final = Metric("pulssi_worker_agents", "gauge", "Agents in memory.")
PANES: Final = Metric("pulssi_worker_panes", "gauge", "Panes in memory.")
NEXT: Final = Metric("pulssi_worker_next_offset", "gauge", "First source offset that is not in yet.")


def health_of(partitions: Partitions, now: Callable[[], float] = time.monotonic) -> Health:
    """Make the server that tells how a worker is."""
    return Health(
        ready=lambda: _unready(partitions, now()),
        progress=lambda: _stuck(partitions, now()),
        metrics=lambda: render(_readings(partitions)),
    )


def _unready(partitions: Partitions, now: float) -> str | None:
    if partitions.refused:
        return "; ".join(partitions.refused)
    if partitions.waits is not None:
        return partitions.waits.line(now)
    return None if partitions.ready else "the partitions that this worker is assigned are not all open yet"


def _stuck(partitions: Partitions, now: float) -> str | None:
    since, waits = partitions.busy_since, partitions.waits
    if since is not None and now - since > STUCK_AFTER_S:
        return f"a step has been under way for {now - since:.0f} s"
    if waits is not None and now - waits.since > STUCK_AFTER_S:
        return waits.line(now)
    return partitions.blocked


def _readings(partitions: Partitions) -> Iterator[Reading]:
    for partition in partitions.held:
        labels = {"topic": partition.source, "partition": str(partition.number)}
        yield Reading(EVENTS, partition.events, labels)
        yield Reading(DEAD, partition.dead_letters, labels)
        yield Reading(CONFLICTS, partition.conflicts, labels)
        yield Reading(STRAYS, partition.strays, labels)
        yield Reading(EVICTED, partition.evictions, labels)
        yield Reading(REVIVED, partition.revivals, labels)
        yield Reading(SUPPLEMENTS, partition.supplemented, labels)
        yield Reading(WAITED, partition.waits, labels)
        yield Reading(PARKED, len(partition.parked), labels)
        yield Reading(CONTACTS, len(partition.contacts), labels)
        yield Reading(AGENTS, len(partition.agents), labels)
        yield Reading(PANES, len(partition.panes), labels)
        yield Reading(NEXT, partition.head.next, labels)
