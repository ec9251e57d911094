"""Three simulated days in a database, the autumn's change of clocks among them, and what the oracle makes of them.

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
from schemas.policies import DEFAULT_POLICIES, Rules
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
from tests.oracle.contacts import milliseconds as ms
from tests.oracle.rows import Row
from tests.sinks.reconcile.worker_and_sink import WorkerAndSink
from tests.sinks.rows import write

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
}


class Days(NamedTuple):
    """What happened, what the oracle makes of it, and a client of the database that has it."""

    events: list[dict[str, Any]]
    told: list[Row]
    client: Client

    def ask(self, sql: str, over: Range = OVER, **chosen: list[str]) -> list[dict[str, Any]]:
        """Ask as Grafana does."""
        one = {"contact": [self.told[0].contact_id]}
        return list(self.client.query(expand(sql, over, {**CHOSEN, **one, **chosen})).named_results())


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


def _objectives() -> Iterator[TopicRecord]:
    for number, policy in enumerate(DEFAULT_POLICIES):
        for queue, level in (("a", 0.5), ("b", 0.9)):
            key = ObjectiveKey(policy.name, policy.channel, queue, 3_600_000)  # type: ignore[arg-type]  # one of Channel
            at = END - 3_600_000 + number
            told = Objective(
                **key._asdict(),
                metric="first_response",
                at=at,
                n=20,
                attained=level,
                attained_live=level,
                objective=policy.objective,
                burn_rate=(1 - level) / (1 - policy.objective),
                state="missed" if level < policy.objective else "met",
            )
            yield TopicRecord(number, at, encode_objective_key(key), told.model_dump_json().encode())
