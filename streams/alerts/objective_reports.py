"""The report of each objective as it is now: policy by policy, queue by queue, window by window.

Only changes are reported, for one policy in one queue at most every half minute, but at once where an objective
begins or ceases to be met. However many there are, no judgement reports more than `RECORDS_AT_MOST`: the rest comes
with the next ones.
"""

from collections.abc import Callable, Iterable, Mapping
from heapq import heappop, heappush
from itertools import chain, islice
from typing import Final, NamedTuple, cast

from schemas.alert_rules import AlertRules
from schemas.objectives import Objective, ObjectiveKey, ObjectiveState, encode_objective_key
from schemas.topics import Channel
from streams.alerts.groups import Counted
from streams.alerts.objective_rules import Seen, attainment_verdict, attainment_window, burn_rate_of

EVERY_MS: Final = 30_000
#: Of one judgement, which comes each second: about 170 kB.
RECORDS_AT_MOST: Final = 500
#: Policies in queues that one judgement looks at.
LOOKED_AT_AT_MOST: Final = 2_000

#: Judged, late of these, waiting beyond the target, and what follows for the objective.
Figures = tuple[int, int, int, ObjectiveState]
_WIDTH: Final = 4


class Due(NamedTuple):
    """What is to be written: records, and the keys of objectives that are over."""

    records: tuple[Objective, ...] = ()
    ended: tuple[bytes, ...] = ()

    def pairs(self) -> list[tuple[bytes, bytes | None]]:
        """Write them as records of the topic."""
        records: list[tuple[bytes, bytes | None]] = [
            (encode_objective_key(_key(each)), each.model_dump_json().encode()) for each in self.records
        ]
        return records + [(key, None) for key in self.ended]


class _Reported(NamedTuple):
    """The last report of a policy in a queue, as flat tuples, since there are very many."""

    at: int
    #: The lengths of the windows: one tuple is shared by all groups with the same ones.
    lengths: tuple[int, ...]
    flat: tuple[int | str, ...]

    def figures(self) -> dict[int, Figures]:
        """Give the figures by the lengths of the windows."""
        return {
            length: cast("Figures", self.flat[place : place + _WIDTH])
            for length, place in zip(self.lengths, range(0, len(self.flat), _WIDTH), strict=True)
        }


class ObjectiveReports:
    """What was reported, and what is to be reported. Nothing is due until `begin`."""

    def __init__(self) -> None:
        self._begun = False
        self._clear()

    def _clear(self) -> None:
        self._reported: dict[Counted, _Reported] = {}
        self._lengths: dict[tuple[int, ...], tuple[int, ...]] = {}
        #: Changed since they were looked at, in the order of their changes.
        self._changed: dict[Counted, object] = {}
        #: Those that wait for their half minute, by its end.
        self._waiting: list[tuple[int, Counted]] = []
        self._is_waiting: set[Counted] = set()
        #: Keys that the topic had at `begin` and that were not reported since: those that remain in the end are over.
        self._former: set[bytes] | None = None

    def begin(self, counted: Iterable[Counted], former: Iterable[bytes]) -> None:
        """Start again with all that is counted; `former` are the keys that the topic has."""
        self._clear()
        self._changed = dict.fromkeys(counted)
        self._former, self._begun = set(former), True

    def note(self, changed: Mapping[Counted, object]) -> None:
        """Note the keys of what changed."""
        if self._begun:
            self._changed.update(changed)

    def due(self, seen_of: Callable[[Counted], Seen | None], rules: AlertRules, now: int) -> Due:
        """Give what is to be written now, and count it as reported; `seen_of` gives None for what is not judged."""
        records: list[Objective] = []
        ended: list[bytes] = []
        for counted in list(islice(self._changed, LOOKED_AT_AT_MOST)):
            if len(records) + len(ended) >= RECORDS_AT_MOST:
                break
            del self._changed[counted]
            self._look_at(counted, seen_of(counted), rules, now, records, ended)
        while self._waiting and self._waiting[0][0] <= now and len(records) + len(ended) < RECORDS_AT_MOST:
            _, counted = heappop(self._waiting)
            self._is_waiting.discard(counted)
            self._look_at(counted, seen_of(counted), rules, now, records, ended)
        if self._former is not None:
            self._former.difference_update(encode_objective_key(_key(each)) for each in records)
            if self._begun and not self._changed:
                self._take_former(ended)
        return Due(tuple(records), tuple(ended))

    def _take_former(self, ended: list[bytes]) -> None:
        """End the objectives that the topic has and that are not judged any more."""
        while self._former and len(ended) < RECORDS_AT_MOST:
            ended.append(self._former.pop())
        if not self._former:
            self._former = None

    def _look_at(
        self,
        counted: Counted,
        seen: Seen | None,
        rules: AlertRules,
        now: int,
        records: list[Objective],
        ended: list[bytes],
    ) -> None:
        reported = self._reported.get(counted)
        before = {} if reported is None else reported.figures()
        figures = {} if seen is None else figures_of(seen, rules)
        if figures == before:
            return
        at_once = reported is None or _states(figures) != _states(before)
        if reported is not None and not at_once and now < reported.at + EVERY_MS:
            if counted not in self._is_waiting:
                self._is_waiting.add(counted)
                heappush(self._waiting, (reported.at + EVERY_MS, counted))
            return
        if seen is not None:
            changed = (length for length, of in figures.items() if of != before.get(length))
            records += (_objective(seen, length, figures[length], now) for length in changed)
            lengths = tuple(figures)
            lengths = self._lengths.setdefault(lengths, lengths)
            self._reported[counted] = _Reported(now, lengths, tuple(chain.from_iterable(figures.values())))
        else:
            self._reported.pop(counted, None)
        policy, channel, queue = counted
        over = (ObjectiveKey(policy, cast("Channel", channel), queue, length) for length in before.keys() - figures)
        ended += map(encode_objective_key, over)


def figures_of(seen: Seen, rules: AlertRules) -> dict[int, Figures]:
    """Give the figures of a policy in a queue by the lengths of its windows, in milliseconds."""
    policy, group = seen.policy, seen.group
    window_ms, min_volume = attainment_window(policy, rules)
    least = {window_ms: min_volume}
    for rate in group.burn_rates:
        least.setdefault(rate.long_ms, rate.min_long)
        least.setdefault(rate.short_ms, rate.min_short)
    found: dict[int, Figures] = {}
    for length in group.windows.places:
        judged, bad = seen.sums(length)
        if judged < max(1, least[length]):
            state: ObjectiveState = "too_few"
        else:
            state = "missed" if attainment_verdict(judged, bad, policy.objective, 0, 0.0)[0] else "met"
        found[length] = judged - seen.waiting_bad, bad - seen.waiting_bad, seen.waiting_bad, state
    return found


def _objective(seen: Seen, length: int, figures: Figures, now: int) -> Objective:
    policy, (_, channel, queue) = seen.policy, seen.group.counted
    n, bad, waiting, state = figures
    return Objective(
        policy=policy.name,
        channel=cast("Channel", channel),
        queue=queue,
        priority=policy.priority,
        segment=policy.segment,
        metric=policy.metric,
        window_ms=length,
        at=now,
        n=n,
        attained=1 - bad / n if n else None,
        attained_live=1 - (bad + waiting) / (n + waiting) if n + waiting else None,
        objective=policy.objective,
        burn_rate=burn_rate_of(n + waiting, bad + waiting, policy.objective)
        if n + waiting and policy.objective < 1
        else None,
        state=state,
    )


def _key(objective: Objective) -> ObjectiveKey:
    return ObjectiveKey(objective.policy, objective.channel, objective.queue, objective.window_ms)


def _states(figures: dict[int, Figures]) -> dict[int, ObjectiveState]:
    return {length: of[3] for length, of in figures.items()}
