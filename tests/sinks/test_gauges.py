"""The gauges are the same in ClickHouse and in the live view, at any moment, for whatever happened to the contacts."""

import random
from collections.abc import Iterator
from typing import Any, Final

import pytest
from clickhouse_connect.driver.client import Client

from schemas.calendars import Calendar, Hours, Span
from schemas.journal import CONTACT
from schemas.policies import Policy, Rules
from schemas.settings import Settings
from sinks.pending_batch import PendingBatch
from streams.core.event import Event
from streams.core.refold import EMPTY
from streams.live.gauges import GaugeReading, Gauges
from streams.live.live_view import LiveView
from tests.core.contacts import changed
from tests.sinks.rows import write
from tests.streams.live.steps import Journal, contact, due, summary

#: Opens and closes every second minute, day and night.
_EVERY_OTHER_MINUTE: Final = Calendar(
    "c", (Hours("Europe/Helsinki", (tuple(Span(minute, minute + 1) for minute in range(0, 1440, 2)),) * 7),)
)
#: Short enough that within a second or two many a deadline comes up.
_RULES: Final = Rules(
    (
        Policy("vip", "first_response", 9_000, 0.9, segment="vip", warning_ms=4_000),
        Policy("hours", "first_response", 40_000, 0.9, queue="a", clock="calendar", warning_ms=20_000),
        Policy("first", "first_response", 60_000, 0.8),
        Policy("next", "next_response", 30_000, 0.8, channel="chat", warning_ms=15_000),
        Policy("next, in hours", "next_response", 20_000, 0.8, clock="calendar", warning_ms=40_000),
        Policy("done", "resolution", 70_000, 0.8, priority="urgent", warning_ms=35_000),
        Policy("done in hours", "resolution", 50_000, 0.8, calendar=_EVERY_OTHER_MINUTE, clock="calendar"),
    ),
    calendar=_EVERY_OTHER_MINUTE,
    horizons_ms={"chat": 45_000, "email": 75_000, "call": 60_000},
)
_COLUMNS: Final = ", ".join(
    f"toUnixTimestamp64Milli({name})" if name.endswith("_since") else name for name in GaugeReading._fields
)


def _life(draw: random.Random, now: int) -> Iterator[Event]:
    """Make a contact of the last two minutes, whatever it went through."""
    at = now - draw.randrange(120_000)
    things = (
        *(("contact.queued", {"queue": queue}) for queue in "ab"),
        *(("message.sent", {"author": author}) for author in ("customer", "customer", "agent", "agent", "bot")),
        *(("contact.connected", {"agent_id": "ann"}), ("contact.disconnected", {"agent_id": "ann"})),
        *(("contact.resolved", {}), ("contact.reopened", {}), ("contact.abandoned", {}), ("contact.handed_off", {})),
        *(("contact.prioritised", {"priority": "urgent"}), ("contact.discarded", {})),
    )
    fields: dict[str, Any] = {"queue": draw.choice("ab")}
    if draw.random() < 0.3:
        fields["segment"] = "vip"
    if draw.random() < 0.1:
        fields["direction"] = "outbound"
    if draw.random() < 0.95:
        yield Event(at, 0, "started", "contact.started", fields)
    for number in range(draw.randrange(9)):
        at += draw.randrange(max(1, min(30_000, now - at)))
        kind, given = draw.choice(things)
        if kind != "contact.discarded" or draw.random() < 0.2:
            yield Event(at, number, f"e{number}", kind, given)


def _fill(draw: random.Random, now: int) -> tuple[LiveView, PendingBatch]:
    view, pending = LiveView("UTC", lambda: now), PendingBatch()
    for source, channel in (("contacts.chat", "chat"), ("contacts.email", "email"), ("contacts.call", "call")):
        records: list[tuple[bytes, bytes | None]] = []
        for number in range(120):
            change = changed(channel, EMPTY, _life(draw, now), _RULES, 1)
            if change is not None and change.value is not None:
                records.append((CONTACT + f"{channel}:{number}".encode(), change.value))
        step = Journal(source).step(*records)
        view.feed([step])
        pending.add(step)
    return view, pending


@pytest.mark.parametrize("seed", range(4))
def test_the_view_and_the_live_view_agree(database: Settings, client: Client, seed: int) -> None:
    """Every gauge of every queue, each time somebody looks, by clocks of the wall and of calendars."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    now = int(client.query("SELECT toUnixTimestamp64Milli(now64(3))").result_rows[0][0])
    view, pending = _fill(draw, now)
    write(database, pending.batch())
    gauges = view.gauges  # to be moved to the moment at which ClickHouse looked
    moments = set()
    for _ in range(12):
        rows = client.query(f"SELECT toUnixTimestamp64Milli(at), channel, queue, {_COLUMNS} FROM gauges").result_rows  # noqa: S608 - our own names
        (moment,) = {int(row[0]) for row in rows}
        gauges.advance(moment)
        moments.add(moment)
        here = {(row[1], row[2]): GaugeReading._make(row[3:]) for row in rows}
        there = {group: reading for group, reading in view.gauges.readings().items() if None not in group}
        assert here == there
    assert len(moments) > 1
    every = view.gauges.readings()[None, None]
    owed = every.at_risk_next_response + every.breached_next_response
    assert all([every.breached, owed, every.breached_resolution, every.stale, every.waiting])


def test_moments_long_apart(database: Settings, client: Client) -> None:
    """A contact's gauges depend on how far its times are from now, and on nothing else: days of it are compared."""
    now = int(client.query("SELECT toUnixTimestamp64Milli(now64(3))").result_rows[0][0])
    draw = random.Random(5)  # noqa: S311 - no secret
    live, journal = Gauges(), Journal()
    metrics = ("first_response", "next_response", "resolution")
    day = 86_400_000
    records: list[tuple[bytes, bytes | None]] = []
    pending = PendingBatch()
    for number in range(300):
        at = now - draw.randrange(20 * day)
        deadlines = [due(at, draw.randrange(1, 20 * day), draw.choice((0, 1, day)), metric) for metric in metrics]  # type: ignore[arg-type]  # each is one
        leaves_at = at + draw.randrange(1, 60 * day)
        of = summary(waiting_since=at, queue=draw.choice("ab"), deadlines=deadlines, leaves_at=leaves_at, last_at=at)
        records.append((CONTACT + str(number).encode(), contact(of)))
        live.update(("contacts.chat", 0), str(number).encode(), of)
    pending.add(journal.step(*records))
    write(database, pending.batch())
    rows = client.query(f"SELECT toUnixTimestamp64Milli(at), channel, queue, {_COLUMNS} FROM gauges").result_rows  # noqa: S608 - our own names
    live.advance(int(rows[0][0]))
    assert {(row[1], row[2]): GaugeReading._make(row[3:]) for row in rows} == {
        group: reading for group, reading in live.readings().items() if None not in group
    }
