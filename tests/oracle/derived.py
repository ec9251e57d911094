"""Figures over many contacts, from what each contact comes to: service levels, shares of tags, their growth,
first-contact resolution, and what became of the e-mails of a minute. No SQL's habits here: loops over lists.
"""  # noqa: D205 - one sentence

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.oracle.batch import Events, contact_rows, samples
from tests.oracle.centre import DEFAULTS, Centre
from tests.oracle.contacts import contacts
from tests.oracle.rows import Row

WEEK_MS = 7 * 86_400_000
HOUR_MS = 3_600_000


def service_levels(rows: Iterable[Row]) -> dict[str, float | None]:
    """Give the five service levels of first responses, or of a queue's visits; None: nothing to divide by.

    Samples without a target are in none.
    """
    held = [row for row in rows if row.within is not None]
    answers = [row for row in held if row.sample == "first_response" or row.outcome == "answered"]
    leavers = [row for row in held if row.sample == "abandoned" or row.outcome == "abandoned"]
    a, ab, short = len(answers), len(leavers), sum(row.short is True for row in leavers)
    aw, abw = (sum(row.within is True for row in of) for of in (answers, leavers))
    formulas = {
        "short_excluded": (aw, a + ab - short),
        "answered_only": (aw, a),
        "offered": (aw, a + ab),
        "abandons_met": (aw + abw, a + ab),
        "excluding_abandoned_within": (aw, a + ab - abw),
    }
    return {name: over / under if under else None for name, (over, under) in formulas.items()}


@dataclass(frozen=True)
class Told:
    """A contact that counts. Times in UTC milliseconds."""

    contact_id: str
    customer: str
    channel: str
    queue: str
    started_at: int
    resolved_at: int | None
    reopens: int
    inbound: bool
    tags: tuple[str, ...]


def told(events: Events, centre: Centre = DEFAULTS) -> list[Told]:
    """Say of each contact that was not discarded what the figures need."""
    events = list(events)
    rows = contact_rows(events, centre)
    found = []
    for contact in contacts(events, centre):
        row = rows.get(contact.contact_id)
        if row is None or row.discarded:
            continue
        last = len(contact.events) - 1
        found.append(
            Told(
                contact.contact_id,
                contact.in_force(last, "customer_id"),
                contact.channel,
                contact.queue(last),
                row.started_at or 0,  # not known of one that was under way already: in no range
                row.resolved_at,
                row.reopens,
                contact.customers_own,
                row.tags,
            )
        )
    return found


def tag_shares(of: Iterable[Told], begin: int, end: int) -> dict[tuple[str, str, str, str], tuple[int, int, int]]:
    """Count, of those that started in a range: by scope, channel, queue and tag, those with it, resolved, with any."""
    places: dict[tuple[str, str, str], list[Told]] = defaultdict(list)
    for contact in of:
        if begin <= contact.started_at < end:
            for place in (
                ("centre", "", ""),
                ("channel", contact.channel, ""),
                ("queue", contact.channel, contact.queue),
            ):
                places[place].append(contact)
    return {
        (*place, tag): (
            sum(tag in contact.tags for contact in inside),
            sum(contact.resolved_at is not None for contact in inside),
            sum(bool(contact.tags) for contact in inside),
        )
        for place, inside in places.items()
        for tag in {tag for contact in inside for tag in contact.tags}
    }


def first_contacts(of: Iterable[Told]) -> dict[str, tuple[bool | None, bool | None]]:
    """Say of each resolved contact whether it was the first and only one, in any channel and in its queue."""
    of = list(of)
    found: dict[str, tuple[bool | None, bool | None]] = {}
    for contact in of:
        if contact.resolved_at is None:
            continue
        if not contact.customer:
            found[contact.contact_id] = None, None
            continue
        again = [
            other
            for other in of
            if other.customer == contact.customer
            and other.inbound
            and other.contact_id != contact.contact_id
            and contact.resolved_at < other.started_at <= contact.resolved_at + WEEK_MS
        ]
        same = [other for other in again if (other.channel, other.queue) == (contact.channel, contact.queue)]
        found[contact.contact_id] = not contact.reopens and not again, not contact.reopens and not same
    return found


def local_hour(at: int, zone: ZoneInfo) -> datetime:
    """Give the hour that a clock on the wall shows."""
    shown = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)
    return shown.replace(minute=0, second=0, microsecond=0, tzinfo=None)


def tag_growth(
    of: Iterable[Row], begin: int, end: int, zone: ZoneInfo, first: int
) -> dict[tuple[str, str, str, str], tuple[int, int, int]]:
    """Count by local hour, channel, queue and tag: then, in the four weeks before, and how many of those are known."""
    tagged = [row for row in of if row.sample == "tagged"]
    counts = Counter((local_hour(row.at, zone), row.channel, row.queue, row.tag) for row in tagged)
    places = {key[1:] for key in counts}
    found = {}
    for hour in sorted({local_hour(at, zone) for at in range(begin, end, HOUR_MS)}):
        before = [hour - timedelta(weeks=back) for back in (1, 2, 3, 4)]
        known = sum(each >= local_hour(first, zone) for each in before)
        for place in places:
            n, n_before = counts[(hour, *place)], sum(counts[(each, *place)] for each in before)
            if n or n_before:
                found[f"{hour:%Y-%m-%d %H:%M}", *place] = n, n_before, known
    return found


def emails_by_arrival(events: Events, centre: Centre = DEFAULTS) -> dict[tuple[int, str], list[int]]:
    """Count by minute and queue of arrival: came, answered, within, abandoned, within, short, without any response."""
    by_contact: dict[str, list[Row]] = defaultdict(list)
    for row in samples(events, centre):
        if row.channel == "email":
            by_contact[row.contact_id].append(row)
    found: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0] * 7)
    for rows in by_contact.values():
        came = next((row for row in rows if row.sample == "offered"), None)
        if came is None:
            continue
        count = found[came.at - came.at % 60_000, came.queue]
        answers = [row for row in rows if row.sample == "first_response"]
        leavers = [row for row in rows if row.sample == "abandoned"]
        held = [[row for row in of if row.within is not None] for of in (answers, leavers)]
        more = (
            1,
            len(held[0]),
            sum(row.within is True for row in held[0]),
            len(held[1]),
            sum(row.within is True for row in held[1]),
            sum(row.short is True for row in held[1]),
            not answers and not leavers,
        )
        for place, n in enumerate(more):
            count[place] += n
    return dict(found)
