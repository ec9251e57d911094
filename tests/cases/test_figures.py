"""What the cases say of more than one contact, and of a moment: service levels, first contacts, and gauges."""

from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from schemas.contact_record import decode_summary
from schemas.policies import Rules
from streams.configuration.folder import load_rules
from streams.live.gauges import GaugeReading, Gauges
from tests.cases.told import CENTRE, CONFIG, events_of
from tests.core.contacts import record_of
from tests.oracle.batch import samples
from tests.oracle.contacts import contacts, milliseconds
from tests.oracle.derived import first_contacts, service_levels, told
from tests.oracle.gauges import gauges
from tests.streams.flow import chat_event


class Moment(NamedTuple):
    """What one contact of a case gives to the gauges, once all its events up to a time have arrived."""

    case: str
    contact: str
    at: str
    open: str
    waiting_since: str
    awaiting_since: str
    handling: str
    breached: str


#: Those of `moments.txt`, behind its head; `-`: none.
MOMENTS: Final = [
    Moment(*line.split()) for line in Path(__file__).with_name("moments.txt").read_text("utf-8").splitlines()[1:]
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
        None if since == "-" else milliseconds(since) for since in (moment.waiting_since, moment.awaiting_since)
    )
    expected = (int(moment.open), waiting, awaiting, int(moment.handling), int(moment.breached))
    ((_, gauge),) = gauges(contacts(events, CENTRE), now).items()
    breached = gauge.breached.get("first_response", 0)
    waits = min(gauge.waiting, default=None), min(gauge.awaiting, default=None)
    assert (gauge.open, *waits, gauge.handling, breached) == expected
    live = _live(events, rules, now)
    waits = live.oldest_waiting_since, live.oldest_awaiting_since
    assert (live.open, *waits, live.handling, live.breached) == expected


def _live(events: list[dict[str, Any]], rules: Rules, now: int) -> GaugeReading:
    live = Gauges()
    live.update(("contacts", 0), b"contact", decode_summary(record_of(events, rules)))
    live.advance(now)
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
    begun = "2026-03-02T09:00:00Z"
    ends = [("contact.connected", 15), ("contact.connected", 40), ("contact.abandoned", 30), ("contact.abandoned", 2)]
    events = [
        event
        for name, (kind, second) in zip("abcde", [*ends, ("contact.dequeued", 5)], strict=True)
        for event in (
            chat_event("contact.started", name, begun, channel="call", queue="first"),
            chat_event("contact.transferred", name, begun, channel="call", queue="tech"),
            chat_event(kind, name, f"2026-03-02T09:00:{second:02d}Z", channel="call", queue="tech", agent_id="a"),
        )
    ]
    visits = [row for row in samples(events, CENTRE) if row.sample == "queue_wait"]
    assert len(visits) == 5
    assert service_levels(visits)["short_excluded"] == 1 / 3


def test_a_merged_ticket_is_no_second_contact() -> None:
    """First-contact resolution of the target, and of the one that was not merged after all, in any queue."""
    found = first_contacts(told([e for e in events_of("merged") if "worked-on" not in e["contact_id"]], CENTRE))
    assert found == {"zammad:demo:c14-target": (True, True), "zammad:demo:c14-unmerged": (True, True)}
