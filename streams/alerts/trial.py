"""What the rules of alerts would have raised over recorded events: the worker's fold and the engine's judgement.

Time is that of the events: each event counts at the second in which it occurred, and each second is judged as an engine
judges it. Pure: it knows no broker, no clock and no file. Nobody is notified, and nobody acknowledges.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from schemas.alert_rules import AlertRules
from schemas.alerts import Alert
from schemas.policies import Rules
from schemas.topics import SOURCES, channel_of
from streams.alerts.known_alerts import KnownAlerts
from streams.alerts.lifecycle import changes
from streams.alerts.pipeline_rules import PipelineReading
from streams.alerts.silences import in_force
from streams.alerts.surge_rules import KnownPast
from streams.alerts.view import AlertView
from streams.journal.step_assembly import Step
from streams.partition.state import PartitionState
from streams.partition.step_to_write import StepToWrite
from streams.sources.recordings import RoutedEvent

SECOND_MS: Final = 1_000
#: Events of one second that are folded together at most: of a bad record only the second in which it came is known.
_FOLDED_TOGETHER: Final = 1_000


@dataclass
class _Record:
    """An event as a record of its source topic."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Trial:
    """One run over events in the order of their times."""

    def __init__(self, rules: Rules, alert_rules: AlertRules, past: KnownPast | None = None) -> None:
        """Judge by these rules; without the past surges are not judged."""
        self._alert_rules = alert_rules
        self._past = past
        self._view = AlertView(rules, alert_rules)
        # A recording of only bad records is judged too.
        self._partitions = {
            source: PartitionState(source, 0, rules._replace(bad_record_share=1.0)) for source in SOURCES
        }
        self._ends = dict.fromkeys(SOURCES, 1)
        for partition in self._partitions.values():
            partition.begin(0, 1)
        self._last_event_at: dict[str, int] = {}
        #: When the bad records came, in order.
        self.dead_letters: list[int] = []
        #: The newest record of each alert.
        self._alerts = KnownAlerts()

    def run(
        self,
        events: Iterable[RoutedEvent],
        begin: int | None = None,
        end: int | None = None,
        judged: Callable[[int], None] = lambda _: None,
    ) -> Iterator[Alert]:
        """Yield each change of an alert's state, in order, from `begin` (the first event) to `end` (the last), UTC ms.

        Events have times, in order; those before `begin` are counted, not judged. `judged` is called for each second.
        """
        now: int | None = None if begin is None else _second_of(begin)
        waiting: list[RoutedEvent] = []
        for event in events:
            at = event.at or 0
            if end is not None and at >= end:
                break
            now = _second_of(at) if now is None else now
            while at >= now + SECOND_MS:
                yield from self._judge(waiting, now, judged)
                waiting, now = [], now + SECOND_MS
            if waiting and (_second_of(waiting[-1].at or 0) != _second_of(at) or len(waiting) >= _FOLDED_TOGETHER):
                self._fold(waiting)
                waiting = []
            waiting.append(event)
        if now is None:
            return
        yield from self._judge(waiting, now, judged)
        while end is not None and now + 2 * SECOND_MS <= end:
            now += SECOND_MS
            yield from self._judge([], now, judged)

    def _judge(self, events: Sequence[RoutedEvent], second: int, judged: Callable[[int], None]) -> Iterator[Alert]:
        """Count what occurred up to the end of a second, and judge then."""
        self._fold(events)
        now = second + SECOND_MS
        for partition in self._partitions.values():
            self._feed(partition, partition.renew_deadlines(now))
        pipeline = self._alert_rules.pipeline
        letters = len(self.dead_letters) - bisect_left(self.dead_letters, now - pipeline.dead_letters_within_ms)
        reading = PipelineReading(last_event_at=self._last_event_at, dead_letters=letters)
        seen = self._view.observations(now, frozenset(self._alerts.watched), reading, self._past)
        timing = self._alert_rules.timing
        silences = in_force((), self._alert_rules.maintenance, now)
        changed = list(changes(self._alerts, seen, now, timing, silences=silences))
        ended = self._alerts.forgotten(now, timing.keep_ms, {alert.key for alert in changed})
        self._alerts.apply(changed)
        self._alerts.forget(ended)
        yield from changed
        judged(now)

    def _fold(self, events: Sequence[RoutedEvent]) -> None:
        by_topic: dict[str, list[_Record]] = {}
        for event in events:
            records = by_topic.setdefault(event.topic, [])
            offset = self._partitions[event.topic].head.next + len(records)
            records.append(_Record(offset, event.at or 0, event.key, event.value))
        for topic, records in by_topic.items():
            partition = self._partitions[topic]
            before = partition.dead_letters
            self._feed(partition, partition.steps(records))
            self.dead_letters += [records[-1].timestamp] * (partition.dead_letters - before)
            channel = channel_of(topic)
            if channel is not None:
                self._last_event_at[channel] = records[-1].timestamp

    def _feed(self, partition: PartitionState, steps: Iterable[StepToWrite]) -> None:
        for output in steps:
            first = self._ends[partition.source]
            written = [(first + n, key, value) for n, (key, value) in enumerate(output.records[:-1])]
            end = self._ends[partition.source] = first + len(output.records)
            self._view.feed([Step(partition.source, partition.number, output.head, end, written)])


def _second_of(at: int) -> int:
    return at - at % SECOND_MS
