"""What a program has put out, seen by a reader of its topic that reads what is committed: the one rule for all.

A program is through when the panes that anyone can read from Kafka hold every fact of the file; where they never do,
its last change counts, and what is missing is told.
"""

import time
from collections.abc import Callable
from typing import Final, Literal

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from schemas.journal import (
    HEAD_KEY,
    PANE,
    TAG_PANE,
    decode_head,
    decode_pane,
    decode_pane_key,
    decode_tag_pane,
    decode_tag_pane_key,
)
from tests.bench.job import EMPTY, Pane

AT_ONCE: Final = 2_000
POLL_S: Final = 0.05
#: Samples of Pulssi's that are the job's, and what the job calls them.
SAMPLES: Final = {
    "offered": "offered",
    "first_response": "first_response",
    "handle": "handle",
    "resolution": "resolved",
}
#: Longer than any of them waits between two results, so that a stop means that nothing more comes.
IDLE_S: Final = 30.0

#: All is through; nothing more comes; there was no more time.
Seen = Literal["whole", "stopped", "late"]


class PeerReading:
    """Panes as the job writes them, whole, by key: in Faust's changelog, or plainly."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str], Pane] = {}
        self._count = 0

    def take(self, partition: int, key: bytes, value: bytes) -> None:
        """Keep the newest of a pane."""
        pane: Pane = tuple(orjson.loads(value))
        place = partition, key.decode().strip('"').rpartition("|")[2]
        self._count += pane[0] - self._kept.get(place, EMPTY)[0]
        self._kept[place] = pane

    def count(self) -> int:
        """Facts."""
        return self._count

    def panes(self) -> dict[str, Pane]:
        """Sum over partitions."""
        return _summed([(name, pane) for (_, name), pane in self._kept.items()])


class JournalReading:
    """Pulssi's journal."""

    def __init__(self) -> None:
        self._next: dict[int, int] = {}
        self._kept: dict[tuple[int, bytes], bytes] = {}

    def take(self, partition: int, key: bytes, value: bytes) -> None:
        """Keep heads, and panes as they are."""
        if key == HEAD_KEY:
            self._next[partition] = decode_head(value).next
        elif key[:1] in {PANE, TAG_PANE}:
            self._kept[partition, key] = value

    def count(self) -> int:
        """Source records in a committed step."""
        return sum(self._next.values())

    def panes(self) -> dict[str, Pane]:
        """Sum over partitions and over the dimensions that the job leaves out."""
        found: list[tuple[str, Pane]] = []
        for (_, key), value in self._kept.items():
            if key[:1] == TAG_PANE:
                tagged, tag_pane = decode_tag_pane_key(key), decode_tag_pane(value)
                found.append((f"{tagged.start}/chat/{tagged.queue}/tagged {tagged.tag}", (tag_pane.n, 0, 0)))
                continue
            of, pane = decode_pane_key(key), decode_pane(value)
            if of.sample in SAMPLES:
                timed = of.sample in {"first_response", "handle"}
                within = pane.n_within if of.sample == "first_response" else 0
                counted = pane.n, pane.sum_ms if timed else 0, within
                found.append((f"{of.start}/chat/{of.queue}/{SAMPLES[of.sample]}", counted))
        return _summed(found)


def _summed(found: list[tuple[str, Pane]]) -> dict[str, Pane]:
    totals: dict[str, Pane] = {}
    for name, (n, sum_ms, within) in found:
        before = totals.get(name, EMPTY)
        totals[name] = before[0] + n, before[1] + sum_ms, before[2] + within
    return {name: pane for name, pane in totals.items() if any(pane)}


class Watch:
    """Reads a topic from its beginning, in no group; notes when what is through last changed."""

    def __init__(self, broker: str, topic: str, reading: PeerReading | JournalReading) -> None:
        self._reading = reading
        self._topic = topic
        self._consumer = Consumer(
            {
                "bootstrap.servers": broker,
                "group.id": "bench-watch",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 20,
            }
        )
        self._assigned = False
        self.changed = time.monotonic()

    def until(self, wanted: int, check: Callable[[], None], *, at_most_s: float = float("inf")) -> Seen:
        """Follow until so much is through, or nothing has changed for a while, or it takes too long; tells which."""
        began = self.changed = time.monotonic()
        while (through := self._reading.count()) < wanted:
            check()
            if time.monotonic() - self.changed > IDLE_S:
                return "stopped"
            if time.monotonic() - began > at_most_s:
                return "late"
            if not self._assigned:
                self._assign()
                continue
            for message in self._consumer.consume(AT_ONCE, POLL_S):
                if not message.error() and (value := message.value()) is not None:
                    self._reading.take(message.partition(), message.key() or b"", value)
            if self._reading.count() != through:
                self.changed = time.monotonic()
        return "whole"

    def _assign(self) -> None:
        """Begin once the topic is there: some programs make it themselves."""
        topics = self._consumer.list_topics(timeout=5).topics
        if self._topic in topics:
            numbers = topics[self._topic].partitions
            self._consumer.assign([TopicPartition(self._topic, number, OFFSET_BEGINNING) for number in numbers])
            self._assigned = True
        else:
            time.sleep(POLL_S)

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()
