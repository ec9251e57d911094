"""Simulated days in a database, and what the oracle makes of them: three, on which clocks change, or five weeks.

They lie in the past, so that every run has the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import orjson
from clickhouse_connect.driver.client import Client

from dashboards.grafana_definitions.site import Site
from schemas.calendars import DAY_MS
from schemas.objectives import Objective, ObjectiveKey, encode_objective_key
from schemas.policies import DEFAULT_POLICIES, Policy, Rules, Taxonomy
from schemas.topics import CONTACTS
from sinks.clickhouse.store import ClickHouseStore
from sinks.objective_archive import objective_rows
from sinks.store_protocol import Batch
from streams.clickhouse.connection import connect
from streams.kafka.topic_reader import TopicRecord
from streams.sources.simulator import Plan, simulate
from tests.dashboards.grafana_macros import ALL, Range, expand
from tests.fixtures.clickhouse import ClickHouseServer, own_database
from tests.oracle.batch import samples
from tests.oracle.centre import DEFAULTS, Centre
from tests.oracle.contacts import milliseconds as ms
from tests.oracle.rows import Row
from tests.sinks import simulated_weeks as weeks_of
from tests.sinks.reconcile.worker_and_sink import WorkerAndSink
from tests.sinks.rows import write
from tests.sinks.simulated_weeks import simulated_weeks

#: A Friday and Saturday before, and the Sunday on which clocks in Helsinki go back: 03:00 to 04:00 comes twice.
BEGIN: Final = ms("2026-10-23T00:00Z")
END: Final = BEGIN + 3 * DAY_MS
ZONE: Final = "Europe/Helsinki"
SITE: Final = Site(rules=Rules(time_zone=ZONE))
OVER: Final = Range(BEGIN // 1_000, END // 1_000, 3_600)
CHOSEN: Final = {
    **{name: [ALL] for name in ("channel", "queue", "priority", "team", "tag")},
    "by": ["queue"],
    "tz": [ZONE],
    "weeks": ["8"],
    "shrinkage": ["0.3"],
    "occupancy": ["0.85"],
    "sample": ["handle"],
    "policy": ["any"],
    "target": ["any"],
}


class Days(NamedTuple):
    """What happened, what the oracle makes of it, and a client of the database that has it."""

    events: list[dict[str, Any]]
    told: list[Row]
    client: Client
    #: The dashboard's range.
    over: Range = OVER
    centre: Centre = DEFAULTS

    def inside(self) -> list[Row]:
        """Give what was measured in the range."""
        return [row for row in self.told if self.over.start * 1_000 <= row.at < self.over.end * 1_000]

    def ask(self, sql: str, over: Range | None = None, **chosen: list[str]) -> list[dict[str, Any]]:
        """Ask as Grafana does."""
        return list(self.client.query(self.expanded(sql, over, **chosen)).named_results())

    def expanded(self, sql: str, over: Range | None = None, **chosen: list[str]) -> str:
        """Write a question as ClickHouse gets it."""
        one = {"contact": [row.contact_id for row in self.told[:1]]}
        return expand(sql, over or self.over, {**CHOSEN, **one, **chosen})


@contextmanager
def simulated_days(server: ClickHouseServer, database: str) -> Iterator[Days]:
    """Fold three days of a small centre into a database of their own."""
    plan = Plan(BEGIN, rate=0.05, seed=7, lasts_ms=END - BEGIN, zone=ZoneInfo(ZONE))
    sent = [each for each in simulate(plan) if each.topic in CONTACTS.values()]
    events = [orjson.loads(each.value) for each in sent]
    with own_database(server, database, PULSSI_TIME_ZONE=ZONE) as ours, connect(ours) as client:
        for topic in CONTACTS.values():
            WorkerAndSink(ours, topic).play((each.key, each.value) for each in sent if each.topic == topic)
        write(ours, Batch(objectives=objective_rows(list(_objectives()))))
        store = ClickHouseStore(ours)
        store.save_gauges(END - 3_600_000)
        store.close()
        yield Days(events, [row for row in samples(events) if BEGIN <= row.at < END], client)


#: A policy on queues, which the default policies lack, and a taxonomy that does not know all tags.
_KNOWN: Final = ("connection", "invoice", "login", "refund", "slow internet", "payment", "router")
WEEKS_RULES: Final = Rules(
    (*DEFAULT_POLICIES, Policy("queue-30s", "queue_wait", 30_000, 0.8)),
    taxonomy=Taxonomy(frozenset(_KNOWN), {}),
    time_zone=ZONE,
)
_POLICIES_FILE: Final = "".join(
    f'[[policy]]\nname = "{policy.name}"\nmetric = "{policy.metric}"\ntarget = "{policy.target_ms}ms"\n'
    + (f'channel = "{policy.channel}"\n' if policy.channel else "")
    for policy in WEEKS_RULES.policies
)
WEEKS_CENTRE: Final = Centre(
    {"policies": _POLICIES_FILE, "taxonomy": "".join(f'[[tag]]\nname = "{name}"\n' for name in _KNOWN)}
)


@contextmanager
def simulated_past(server: ClickHouseServer, database: str) -> Iterator[Days]:
    """Fold five weeks, of which the last is the dashboard's range."""
    with simulated_weeks(server, database, WEEKS_RULES, WEEKS_CENTRE) as weeks:
        end = weeks_of.BEGIN // 1_000 + weeks_of.DAYS * 86_400
        told = samples(weeks.events, WEEKS_CENTRE)
        yield Days(weeks.events, told, weeks.client, Range(end - 7 * 86_400, end, 3_600), WEEKS_CENTRE)


#: Windows of the objectives: the policies' own, and one of a burn rate.
OWN_MS: Final = 3_600_000
BURN_MS: Final = 300_000


def _objectives() -> Iterator[TopicRecord]:
    for number, policy in enumerate(DEFAULT_POLICIES):
        for queue, level, window in (("a", 0.5, OWN_MS), ("b", 0.9, OWN_MS), ("a", 0.25, BURN_MS)):
            key = ObjectiveKey(policy.name, policy.channel, queue, window)  # type: ignore[arg-type]  # one of Channel
            yield judged(key, END - 3_600_000 + number, level, policy.objective)


def judged(key: ObjectiveKey, at: int, level: float, objective: float) -> TopicRecord:
    """Write the record that a policy's level was so at a time."""
    judgement = Objective(
        **key._asdict(),
        metric="first_response",
        at=at,
        n=20,
        attained=level,
        attained_live=level,
        objective=objective,
        burn_rate=(1 - level) / (1 - objective),
        state="missed" if level < objective else "met",
    )
    return TopicRecord(at, at, encode_objective_key(key), judgement.model_dump_json().encode())
