"""Five simulated weeks of a small centre in their own database, for figures that compare with past weeks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import orjson
from clickhouse_connect.driver.client import Client

from schemas.policies import Rules
from schemas.topics import CONTACTS
from streams.clickhouse.connection import connect
from streams.sources.simulator import Plan, simulate
from tests.fixtures.clickhouse import ClickHouseServer, own_database
from tests.oracle import derived
from tests.oracle.centre import DEFAULTS, Centre
from tests.sinks.reconcile.worker_and_sink import WorkerAndSink

#: 2026-03-02 06:00 UTC, a Monday; in the last of the weeks, clocks in Helsinki go forward.
BEGIN: Final = 1_772_431_200_000
DAY_MS: Final = 86_400_000
DAYS: Final = 33
ZONE: Final = ZoneInfo("Europe/Helsinki")
_DEFAULT_RULES: Final = Rules()


class Weeks(NamedTuple):
    """What happened, and a client of the database that has it."""

    events: list[dict[str, Any]]
    told: list[derived.Told]
    client: Client


@contextmanager
def simulated_weeks(
    server: ClickHouseServer,
    database: str,
    rules: Rules = _DEFAULT_RULES,
    centre: Centre = DEFAULTS,
) -> Iterator[Weeks]:
    """Fold five weeks by rules, which `centre` says once more for the oracle."""
    plan = Plan(BEGIN, rate=0.003, seed=4, lasts_ms=DAYS * DAY_MS, zone=ZONE)
    sent = [each for each in simulate(plan) if each.topic in CONTACTS.values()]
    events = [orjson.loads(each.value) for each in sent]
    with own_database(server, database, PULSSI_TIME_ZONE=ZONE.key) as ours, connect(ours) as client:
        for topic in CONTACTS.values():
            worker = WorkerAndSink(ours, topic, rules=rules)
            worker.play((each.key, each.value) for each in sent if each.topic == topic)
        yield Weeks(events, derived.told(events, centre), client)
