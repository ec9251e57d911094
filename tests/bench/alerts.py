"""What a judgement of the SLA engine costs, and what it holds in memory: many policies in many queues.

Every policy has contacts in every queue, over a day. Nothing is measured but this process: no broker, no topic.
"""

import gc
import multiprocessing
import random
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from schemas.alert_rules import REACH_MS, AlertRules
from schemas.contact_record import Summary
from schemas.journal import CONTACT, encode_pane, encode_pane_key
from schemas.panes import PANE_MS, Pane, PaneKey
from schemas.policies import Policy, Rules
from streams.alerts.known_alerts import KnownAlerts
from streams.alerts.lifecycle import changes
from streams.alerts.pipeline_rules import PipelineReading
from streams.alerts.view import AlertView
from tests.bench.report import Part, spread
from tests.streams.live.steps import Journal, contact, due, summary

#: A Monday at noon, UTC.
NOON: Final = 1_773_662_400_000
#: Contacts of each policy in each queue that were judged in the day before.
CONTACTS_A_DAY: Final = 4
#: Of so many pairs, one has many contacts, half of them late.
BUSY_EVERY: Final = 100
OPEN: Final = 20_000
#: Open contacts began within the last hour, when they are all in time.
TARGET_MS: Final = 3_600_000
#: Of the open ones so many wait beyond their target.
BREACHED: Final = 1_000
#: What finishes, and what changes, in each second that is judged.
FINISHED_A_SECOND: Final = 50
CHANGED_A_SECOND: Final = 200
SECONDS: Final = 180
BAD_SHARE: Final = 0.15


def _rules(policies: int) -> Rules:
    return Rules(
        policies=tuple(
            Policy(f"p{number}", "first_response", TARGET_MS, 0.8, segment=f"s{number}", warning_ms=TARGET_MS // 4)
            for number in range(policies)
        )
    )


class _Centre:
    """Writes panes and contacts at random, always the same."""

    def __init__(self, policies: int, queues: int) -> None:
        self._draw = random.Random(11)  # noqa: S311 - no secret
        self._policies, self._queues = policies, queues
        self._journal = Journal()
        self.view = AlertView(_rules(policies), AlertRules())
        #: What each judgement told of objectives: records, and bytes of their keys and values.
        self.told: list[tuple[int, int]] = []
        self.alerts = KnownAlerts()

    def pane(self, start: int, policy: int, queue: int, answered: int = 1) -> tuple[bytes, bytes]:
        """Write a pane of answered contacts: one, or many of which half are late."""
        within = int(self._draw.random() > BAD_SHARE) if answered == 1 else answered // 2
        key = PaneKey(1, start, f"queue {queue}", "normal", "", f"s{policy}", "first_response")
        return encode_pane_key(key), encode_pane(Pane(answered, answered, within))

    def open_contact(self, number: int, since: int) -> tuple[bytes, bytes]:
        """Write a contact that waits since an instant."""
        policy, queue = self._draw.randrange(self._policies), self._draw.randrange(self._queues)
        deadline = due(since, TARGET_MS, TARGET_MS // 4)
        of: Summary = summary(
            queue=f"queue {queue}",
            segment=f"s{policy}",
            waiting_since=since,
            deadlines=[(deadline[0], f"p{policy}", *deadline[2:])],
        )
        return CONTACT + b"contact-%d" % number, contact(of)

    def day(self) -> None:
        """Have a day behind it, and contacts that are open."""
        for queue in range(self._queues):
            panes = [
                self.pane(NOON - PANE_MS * self._draw.randrange(1, REACH_MS // PANE_MS), policy, queue)
                for policy in range(self._policies)
                for _ in range(CONTACTS_A_DAY)
            ]
            busy = range(queue % BUSY_EVERY, self._policies, BUSY_EVERY)
            panes += [self.pane(NOON - PANE_MS * minute, policy, queue, 4) for policy in busy for minute in range(60)]
            self.view.feed([self._journal.step(*panes)])
        ages = [TARGET_MS + 1 if at < BREACHED else self._draw.randrange(TARGET_MS) for at in range(OPEN)]
        self.view.feed([self._journal.step(*(self.open_contact(at, NOON - age) for at, age in enumerate(ages)))])

    def second(self, now: int) -> None:
        """Have contacts finish and change."""
        draw, start = self._draw.randrange, now - now % PANE_MS
        panes = [self.pane(start, draw(self._policies), draw(self._queues)) for _ in range(FINISHED_A_SECOND)]
        moved = [self.open_contact(draw(OPEN), now) for _ in range(CHANGED_A_SECOND)]
        self.view.feed([self._journal.step(*panes, *moved)])

    def judge(self, now: int) -> float:
        """Give the milliseconds of processor time of a judgement, with the changes of alerts and of objectives."""
        begun = time.process_time()
        timing = AlertRules().timing
        seen = self.view.observations(now, frozenset(self.alerts.watched), PipelineReading())
        changed = changes(self.alerts, seen, now, timing)
        over = self.alerts.forgotten(now, timing.keep_ms)
        pairs = self.view.objectives_due(now).pairs()
        took = time.process_time() - begun
        self.alerts.apply(changed)
        self.alerts.forget(over)
        self.told.append((len(pairs), sum(len(key) + len(value or b"") for key, value in pairs)))
        return 1_000 * took


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Measured(NamedTuple):
    """Judgements in milliseconds; how many pairs are judged and how many alerts live; bytes."""

    first: float
    ordinary: list[float]
    rolled: list[float]
    groups: int
    live: int
    grown: float
    #: What each judgement told of objectives: records, bytes.
    told: list[tuple[int, int]]


def measure(policies: int, queues: int) -> Measured:
    """Have a day behind, and judge some minutes."""
    gc.collect()
    before = _resident()
    centre = _Centre(policies, queues)
    centre.judge(NOON - PANE_MS)
    centre.day()
    grown = _resident() - before
    gc.collect()
    gc.disable()
    centre.view.begin_reports(())
    first = centre.judge(NOON)
    ordinary: list[float] = []
    rolled: list[float] = []
    for second in range(1, SECONDS + 1):
        now = NOON + 1_000 * second
        centre.second(now)
        (ordinary if now % PANE_MS else rolled).append(centre.judge(now))
    return Measured(
        first, ordinary, rolled, len(centre.view.counters.groups), len(centre.alerts.live), grown, centre.told
    )


def run(policies: int, queues: int) -> Part:
    """Measure in a process of its own: on a heap without holes."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        found = process.submit(measure, policies, queues).result()
    records, kilobytes = [n for n, _ in found.told], [size / 1_000 for _, size in found.told]
    form = "{:,.1f} ms"
    rows = [
        ("a judgement", spread(found.ordinary, form)),
        ("a judgement that begins a minute", spread(found.rolled, form)),
        ("the first judgement, of everything", spread([found.first], form)),
        ("memory", f"{found.grown / 1e6:,.0f} MB"),
        ("records of objectives that a judgement tells", spread(records, "{:,.0f}")),
        ("bytes of these, once a second", spread(kilobytes, "{:,.1f} kB")),
    ]
    pairs = f"{found.groups:,} pairs with {CONTACTS_A_DAY} contacts in a day each"
    many = f"{policies:,} policies in {queues:,} queues: {pairs}, {found.live:,} alerts that are pending or fire"
    load = f"{OPEN:,} open contacts, and each second {FINISHED_A_SECOND} finish and {CHANGED_A_SECOND} change"
    return Part(
        rows, [many, load], ["Without the garbage collector, whose passes over all of it take up to half a second."]
    )
