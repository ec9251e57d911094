"""What the cases say of more than one contact, and of a moment: service levels, first contacts, and gauges."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import orjson
import pytest

from schemas.configuration.rules import load_rules
from schemas.journal import decode_summary
from schemas.policies import Rules
from schemas.topics import CONTACTS
from streams.core.contact import EMPTY
from streams.core.event import event_of
from streams.decode import decode
from streams.live.gauges import Gauges, Reading
from tests.cases.told import CENTRE, CONFIG, events_of
from tests.core.changes import changed
from tests.oracle.batch import samples
from tests.oracle.contacts import contacts, milliseconds
from tests.oracle.derived import first_contacts, service_levels, told
from tests.oracle.gauges import gauges


class Moment(NamedTuple):
    """What one contact of a case gives to the gauges, once all its events up to a time have arrived."""

    case: str
    contact: str
    at: str
    open: int
    waiting_since: str | None = None
    awaiting_since: str | None = None
    handling: int = 0
    breached: int = 0


def _calls_back(contact: str, *times: str) -> list[Moment]:
    """Wait from 11:35 on without a break, the target being 20 s."""
    since = "2026-10-20T11:35:00Z"
    return [
        Moment("queued-callback", contact, f"2026-10-20T{at}Z", 1, since, breached=int(at > "11:35:20")) for at in times
    ]


MOMENTS: Final = [
    *(
        Moment(
            "back-into-the-same-queue",
            f"c02-{one}",
            f"2026-10-28T{at}+05:00",
            1,
            "2026-10-28T10:52:05+05:00",
            breached=1,
        )
        for one, at in (("a", "10:55:05"), ("b", "10:55:05"), ("c", "10:55:05"), ("d", "10:55:05"), ("d", "10:56:42"))
    ),
    *_calls_back("c03-dequeued", "11:35:00", "11:36:59", "11:37:00", "11:38:00", "11:38:39", "11:38:59"),
    *_calls_back("c03-given-up", "11:35:00", "11:36:59", "11:37:00", "11:38:00", "11:38:39", "11:39:29"),
    Moment("queued-callback", "c03-given-up", "2026-10-20T11:39:30Z", 0),
    Moment("queued-callback", "c03-one", "2026-10-20T11:37:00Z", 0),
    Moment("queued-callback", "c03-one", "2026-10-20T11:38:38Z", 0),
    Moment("queued-callback", "c03-one", "2026-10-20T11:38:39Z", 1, "2026-10-20T11:35:00Z", breached=1),
    Moment("queued-callback", "c03-one", "2026-10-20T11:40:00Z", 1, handling=1),
    Moment("races-and-skew", "c17-answered-first", "2026-10-08T09:44:34Z", 0),
    Moment("races-and-skew", "c17-left-first", "2026-10-08T09:44:33.769Z", 1, handling=1),
    *(
        Moment("abandoned-and-back", "c21-queue-then-answered", f"2026-10-09T{at}Z", 1, None, "2026-10-09T12:30:00Z")
        for at in ("12:30:00", "12:59:59")
    ),
    Moment("abandoned-and-back", "c21-queue-then-answered", "2026-10-09T12:29:59Z", 0),
    Moment("abandoned-and-back", "c21-queue-then-answered", "2026-10-09T13:00:00Z", 1),
    Moment(
        "abandoned-and-back",
        "c21-queue-then-queue",
        "2026-10-09T12:31:00Z",
        1,
        "2026-10-09T12:30:00Z",
        "2026-10-09T12:30:00Z",
    ),
    Moment("line-drops-and-consults", "c22-dropped", "2026-10-14T10:19:00Z", 0),
    Moment("line-drops-and-consults", "c22-dropped-with-wrap", "2026-10-14T10:22:00Z", 1, handling=1),
    Moment("line-drops-and-consults", "c22-wrapped-twice", "2026-10-14T10:31:00Z", 1, handling=0),
    Moment("line-drops-and-consults", "c22-consult", "2026-10-14T10:02:10Z", 1, handling=2),
    Moment("hangs-up-in-the-menu", "c26-in-the-menu", "2026-10-22T09:00:59Z", 1),
    Moment("hangs-up-in-the-menu", "c26-in-the-menu", "2026-10-22T09:01:00Z", 0),
]


@pytest.fixture(scope="module")
def rules() -> Rules:
    """Load the cases' configuration as a worker does."""
    return load_rules(CONFIG)


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: f"{moment.contact} at {moment.at}")
def test_gauges_at_a_moment(rules: Rules, moment: Moment) -> None:
    """By the batch, and by the live view of what the fold says."""
    now = milliseconds(moment.at)
    events = [
        event
        for event in events_of(moment.case)
        if event["contact_id"].endswith(f":{moment.contact}") and milliseconds(event["occurred_at"]) <= now
    ]
    waiting, awaiting = (
        None if since is None else milliseconds(since) for since in (moment.waiting_since, moment.awaiting_since)
    )
    expected = (moment.open, waiting, awaiting, moment.handling, moment.breached)
    ((_, gauge),) = gauges(contacts(events, CENTRE), now).items()
    breached = gauge.breached.get("first_response", 0)
    waits = min(gauge.waiting, default=None), min(gauge.awaiting, default=None)
    assert (gauge.open, *waits, gauge.handling, breached) == expected
    live = _live(events, rules, now)
    waits = live.oldest_waiting_since, live.oldest_awaiting_since
    assert (live.open, *waits, live.handling, live.breached) == expected


def _live(events: list[dict[str, Any]], rules: Rules, now: int) -> Reading:
    channel = events[0]["channel"]
    arrived = [event_of(decode(CONTACTS[channel], one["contact_id"].encode(), orjson.dumps(one))) for one in events]
    change = changed(channel, EMPTY, arrived, rules, 1)
    assert change is not None
    assert change.value is not None
    live = Gauges()
    live.put((CONTACTS[channel], 0), b"contact", decode_summary(change.value))
    live.move(now)
    return live.readings()[None, None]


def test_service_levels_of_callers_who_hang_up_in_the_menu() -> None:
    """Answered 2 (within 1), abandoned 2 (within 1), short 1; of one queue answered 1, abandoned 1, both within."""
    rows = [row for row in samples(events_of("hangs-up-in-the-menu"), CENTRE) if row.sample != "queue_wait"]
    names = ("short_excluded", "answered_only", "offered", "abandons_met", "excluding_abandoned_within")
    assert service_levels(rows) == dict(zip(names, (1 / 3, 1 / 2, 1 / 4, 1 / 2, 1 / 3), strict=True))
    one = [row for row in rows if row.queue == "c26-calls"]
    assert service_levels(one) == dict(zip(names, (1, 1, 1 / 2, 1, 1), strict=True))
    assert set(service_levels([]).values()) == {None}


def test_service_level_of_a_queue_that_transfers_feed() -> None:
    """Of its visits: answered within / (answered + abandoned - short); a visit that leaves otherwise is in none."""
    call = {"channel": "call", "source": "test", "queue": "tech", "occurred_at": "2026-03-02T09:00:00Z"}
    ends = [("contact.connected", 15), ("contact.connected", 40), ("contact.abandoned", 30), ("contact.abandoned", 2)]
    events = [
        event
        for number, (kind, second) in enumerate([*ends, ("contact.dequeued", 5)])
        for event in (
            {**call, "contact_id": f"{number}", "event_id": "1", "type": "contact.started", "queue": "first"},
            {**call, "contact_id": f"{number}", "event_id": "2", "type": "contact.transferred"},
            {
                **call,
                "contact_id": f"{number}",
                "event_id": "3",
                "type": kind,
                "agent_id": "a",
                "occurred_at": f"2026-03-02T09:00:{second:02d}Z",
            },
        )
    ]
    visits = [row for row in samples(events, CENTRE) if row.sample == "queue_wait"]
    assert len(visits) == 5
    assert service_levels(visits)["short_excluded"] == 1 / 3


def test_a_merged_ticket_is_no_second_contact() -> None:
    """First-contact resolution of the target, and of the one that was not merged after all, in any queue."""
    found = first_contacts(told([e for e in events_of("merged") if "worked-on" not in e["contact_id"]], CENTRE))
    assert found == {"zammad:demo:c14-target": (True, True), "zammad:demo:c14-unmerged": (True, True)}
