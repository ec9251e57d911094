"""Checks of *Tags and reasons* and *Contact*."""

from collections import Counter
from typing import Any

from tests.dashboards.figures.arithmetic import about, at, groups, hour, largest, only, place, share, worst_first
from tests.dashboards.figures.held import Asked, held
from tests.dashboards.grafana_macros import CHANNELS, Range
from tests.oracle import derived
from tests.oracle.batch import contact_rows
from tests.oracle.contacts import contacts
from tests.sinks.simulated_weeks import ZONE


@held("weeks", "Tags and reasons / Tags that are not in the taxonomy")
def unknown(panel: Asked) -> None:
    """Different ones by channel; 0 where there is none."""
    of = groups(only(panel.days.inside(), "tagged"), lambda row: row.channel)
    found = {channel: len({row.tag for row in of.get(channel, ()) if row.outcome == "unknown"}) for channel in CHANNELS}
    assert {row["channel"]: row["tags"] for row in panel()} == found
    assert {row["channel"]: row["tags"] for row in panel(Range(0, 60))} == dict.fromkeys(CHANNELS, 0)
    assert any(found.values())


@held("weeks", "Tags and reasons / Volume per tag")
def volumes(panel: Asked) -> None:
    """The fifty with most, and whether the taxonomy knows them."""
    rows = panel()
    told = only(panel.days.inside(), "tagged")
    of_tags = Counter(row.tag for row in told)
    assert {row["tag"]: row["Contacts"] for row in rows} == dict(of_tags.most_common(50))
    known = {row.tag: "yes" if row.outcome == "known" else "no" for row in told}
    assert {row["tag"]: row["In the taxonomy"] for row in rows} == {row["tag"]: known[row["tag"]] for row in rows}
    assert {"yes", "no"} == set(known.values())
    assert worst_first([-row["Contacts"] for row in rows])


@held("days", "Tags and reasons / Volume per tag over time")
def volumes_over_time(panel: Asked) -> None:
    """By the hour; the eight with most."""
    told = only(panel.days.told, "tagged")
    shown = largest(Counter(row.tag for row in told))
    assert {(at(row["time"]), row["tag"]): row["contacts"] for row in panel()} == Counter(
        (hour(row), row.tag) for row in told if row.tag in shown
    )


@held("days", "Tags and reasons / Volume per tag, by queue")
def volumes_by_queue(panel: Asked) -> None:
    """The fifty with most."""
    expected = Counter((*place(row), row.tag) for row in only(panel.days.told, "tagged"))
    found = [(row["channel"], row["queue"], row["tag"], row["Contacts"]) for row in panel()]
    every = sorted(((*key, n) for key, n in expected.items()), key=lambda each: (-each[3], each[:3]))
    assert found == every[:50]


@held("weeks", "Tags and reasons / Shares")
def shares(panel: Asked) -> None:
    """Of the contacts that started in the range: of those that were resolved, and of those with any tag."""
    days = panel.days
    told = derived.told(days.events, days.centre)
    begin, end = days.over.start * 1_000, days.over.end * 1_000
    counted = derived.tag_shares(told, begin, end)
    found = {row["tag"]: (row["Contacts"], row["Of resolved"], row["Of tagged"]) for row in panel()}
    assert len(found) > 10
    assert found == {
        tag: (n, about(share(_resolved_with(told, tag, begin, end), resolved)), about(share(n, tagged)))
        for (scope, _, _, tag), (n, resolved, tagged) in counted.items()
        if scope == "centre"
    }


def _resolved_with(told: list[derived.Told], tag: str, begin: int, end: int) -> int:
    return sum(tag in one.tags and one.resolved_at is not None and begin <= one.started_at < end for one in told)


@held("weeks", "Tags and reasons / Growth, the largest first")
def growth(panel: Asked) -> None:
    """Whole hours against the same weekday and hour of the four weeks before, by the wall clock."""
    days = panel.days
    begin, end = days.over.start * 1_000, days.over.end * 1_000
    first = min(row.at for row in days.told)
    counted: dict[tuple[str, str, str], tuple[int, float]] = {}
    for (_, channel, queue, tag), (n, before, known) in derived.tag_growth(days.told, begin, end, ZONE, first).items():
        so_far, usual = counted.get((tag, channel, queue), (0, 0.0))
        counted[tag, channel, queue] = so_far + n, usual + before / known
    rows = panel()
    assert 10 < len(rows) <= 50
    assert len(rows) == min(50, len(counted))
    for row in rows:
        n, expected = counted[row["tag"], row["channel"], row["queue"]]
        assert (row["Contacts"], row["Expected"]) == (n, about(expected))
        assert row["Growth"] == about(n / expected - 1 if expected else None)
    assert worst_first([row["Expected"] - row["Contacts"] for row in rows])


@held("days", "Tags and reasons / Are contacts tagged?")
def tagged(panel: Asked) -> None:
    """Contacts with a tag, and those that ended without one."""
    rows = panel()
    of = groups(only(panel.days.told, "any_tag", "untagged_resolved"), place)
    assert {(row["channel"], row["queue"]) for row in rows} == set(of)
    for row in rows:
        mine = of[row["channel"], row["queue"]]
        with_tag, without = len(only(mine, "any_tag")), len(only(mine, "untagged_resolved"))
        assert (row["Tagged"], row["Resolved untagged"]) == (with_tag, without)
        assert row["Share untagged"] == about(without / (with_tag + without))
    assert worst_first([-row["Share untagged"] for row in rows])


@held("days", "Contact / The contacts behind it")
def behind(panel: Asked) -> None:
    """The newest 500 of the chosen sample, as they were measured."""
    for sample in ("handle", "tagged", "first_response"):
        told = sorted(only(panel.days.told, sample), key=lambda row: (-row.at, row.contact_id))
        hours = Range(told[min(300, len(told) - 1)].at // 60_000 * 60 + 60, panel.days.over.end)
        inside = [row for row in told if row.at >= hours.start * 1_000]
        found = panel(hours, sample=[sample])
        assert sorted(map(_measured, found)) == sorted(
            (
                *(row.contact_id, row.at, row.channel, row.queue, row.tag, row.policy),
                *(repr(None if row.value_ms is None else row.value_ms / 1_000),),
                {None: "", True: "in time", False: "late"}[row.within],
            )
            for row in inside
        )
        assert worst_first([-row["When"] for row in found])


def _measured(row: dict[str, Any]) -> tuple[Any, ...]:
    names = ("contact_id", "When", "channel", "queue", "Tag", "Policy")
    return (*(row[name] for name in names), repr(row["Took"]), row["Target"])


def _busiest(panel: Asked) -> str:
    """Name the contact with the most samples."""
    return max(Counter(row.contact_id for row in panel.days.told).items(), key=lambda each: (each[1], each[0]))[0]


@held("days", "Contact / The contact")
def summary(panel: Asked) -> None:
    """Each column has the contact's state after its last event."""
    expected = contact_rows(panel.days.events)
    for contact_id in (_busiest(panel), *sorted(expected)[::400]):
        one = expected[contact_id]
        (row,) = panel(contact=[contact_id])
        assert (row["contact_id"], row["channel"], row["Started"]) == (contact_id, one.channel, one.started_at)
        assert (row["Reopened"], row["Replies"], row["Tags"]) == (one.reopens, one.replies, ", ".join(one.tags))
        assert row["Handled"] == one.handle_ms / 1_000
        for name, value in (("First response", one.first_response_ms), ("Resolution", one.resolution_ms)):
            assert row[name] == (None if value is None else value / 1_000)


@held("days", "Contact / Its events")
def events(panel: Asked) -> None:
    """All of them, in order of time: of the contact with most, and of one that has reasons."""
    with_reason = next(event["contact_id"] for event in panel.days.events if event.get("reason"))
    for contact_id in (_busiest(panel), with_reason):
        (contact,) = contacts(event for event in panel.days.events if event.get("contact_id") == contact_id)
        rows = panel(contact=[contact_id])
        fields = ("type", "event_id", "agent_id", "author", "reason", "queue", "team")
        expected = [(event["at"], *(event.get(name) or "" for name in fields)) for event in contact.events]
        names = ("When", "Event", "Id", "Agent", "Author", "Reason", "queue", "team")
        assert sorted(tuple(row[name] for name in names) for row in rows) == sorted(expected)
        tags = [", ".join(event.get("tags") or ()) for event in contact.events]
        assert sorted(row["Tags"] for row in rows) == sorted(tags)
        assert worst_first([row["When"] for row in rows])


@held("days", "Contact / Its samples")
def samples(panel: Asked) -> None:
    """Each with what it measured, what it was held against, and the event that caused it."""
    contact_id = _busiest(panel)
    told = [row for row in panel.days.told if row.contact_id == contact_id]
    names = ("When", "Sample", "queue", "Agent", "Tag", "Outcome", "Policy", "By event")
    assert sorted((*(row[name] for name in names), repr(row["Took"])) for row in panel(contact=[contact_id])) == sorted(
        (
            *(row.at, row.sample, row.queue, row.agent_id, row.tag, row.outcome, row.policy, row.caused_by),
            repr(None if row.value_ms is None else row.value_ms / 1_000),
        )
        for row in told
    )
