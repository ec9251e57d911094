"""The figures over many contacts: each view on the real engine against the plain computation over the same events."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.settings import Settings
from sinks.store_protocol import Batch
from tests.depth import examples
from tests.fixtures.clickhouse import ClickHouseServer
from tests.oracle import derived
from tests.oracle.batch import samples
from tests.sinks.rows import contact, write
from tests.sinks.simulated_weeks import BEGIN, DAY_MS, DAYS, ZONE, Weeks, simulated_weeks


@pytest.fixture(scope="module")
def weeks(clickhouse_server: ClickHouseServer) -> Iterator[Weeks]:
    """Give the weeks."""
    with simulated_weeks(clickhouse_server, "derived_weeks") as found:
        yield found


def _time(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize(("begin", "end"), [(0, DAYS), (3, 10)])
def test_shares_of_tags(weeks: Weeks, begin: int, end: int) -> None:
    """Of the contacts started in a range, in the centre, each channel and each queue; shares are of the same counts."""
    since, until = BEGIN + begin * DAY_MS, BEGIN + end * DAY_MS
    rows = weeks.client.query(
        "SELECT scope, channel, queue, tag, contacts, resolved, tagged, share_of_contacts, share_of_tagged,"  # noqa: S608 - our own times
        " resolved_contacts"
        f" FROM tag_shares(started_from = '{_time(since)}', started_to = '{_time(until)}')"
    ).result_rows
    expected = derived.tag_shares(weeks.told, since, until)
    assert {tuple(row[:4]): tuple(row[4:7]) for row in rows} == expected
    assert len(expected) > 20
    for row in rows:
        assert row[7] == (row[9] / row[5] if row[5] else None)
        assert row[8] == row[4] / row[6]
        assert row[9] == _with(weeks.told, tuple(row[:4]), since, until)


def _with(told: list[derived.Told], place: tuple[str, ...], since: int, until: int) -> int:
    scope, channel, queue, tag = place
    return sum(
        since <= of.started_at < until
        and of.resolved_at is not None
        and tag in of.tags
        and (scope == "centre" or of.channel == channel)
        and (scope != "queue" or of.queue == queue)
        for of in told
    )


_CONTACTS: Final = st.lists(
    st.tuples(
        st.frozensets(st.sampled_from("abc"), max_size=3),
        st.booleans(),
        st.sampled_from(["", "discarded", "outside", "partial"]),
    ),
    max_size=12,
)


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(of=_CONTACTS)
def test_no_share_of_tags_is_above_one(asking: Client, shared_database: Settings, of: list[Any]) -> None:
    """Open contacts with a tag are in no share of resolved ones, whatever the mixture."""
    asking.command("TRUNCATE TABLE contacts_rows SYNC")
    starts = {"": BEGIN, "discarded": BEGIN, "outside": BEGIN - 1, "partial": None}
    rows = [
        contact(1, contact_id=str(at), tags=sorted(tags), queue="q", discarded=kind == "discarded")._replace(
            started_at=starts[kind], resolved_at=BEGIN + 1 if done else None, open=not done
        )
        for at, (tags, done, kind) in enumerate(of)
    ]
    write(shared_database, Batch(contacts=rows))
    counted = [(tags, done) for tags, done, kind in of if not kind]
    expected = {
        tag: (
            _share(sum(done and tag in tags for tags, done in counted), sum(done for _, done in counted)),
            _share(sum(tag in tags for tags, _ in counted), sum(bool(tags) for tags, _ in counted)),
        )
        for tag in {tag for tags, _ in counted for tag in tags}
    }
    found = asking.query(
        "SELECT tag, share_of_contacts, share_of_tagged"  # noqa: S608 - our own times
        f" FROM tag_shares(started_from = '{_time(BEGIN)}', started_to = '{_time(BEGIN + DAY_MS)}')"
        " WHERE scope = 'centre'"
    ).result_rows
    assert {tag: (one, other) for tag, one, other in found} == expected
    assert all(share is None or 0 <= share <= 1 for shares in expected.values() for share in shares)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


@pytest.mark.parametrize("days", [(0, 2), (26, 33), (27, 28.26)])
def test_growth_of_tags(weeks: Weeks, days: tuple[float, float]) -> None:
    """Against the same weekday and hour of the wall clock in the weeks before, as many as are known.

    The last hour counts as a whole where it only begins in the range.
    """
    since, until = BEGIN + round(days[0] * DAY_MS), BEGIN + round(days[1] * DAY_MS)
    rows = weeks.client.query(
        "SELECT hour_local, channel, queue, tag, n, n_before, weeks, expected, growth,"  # noqa: S608 - our own times
        " toUnixTimestamp64Milli(hour_start)"
        f" FROM tag_growth(hours_from = '{_time(since)}', hours_to = '{_time(until)}')"
    ).result_rows
    first = int(weeks.client.query("SELECT min(toUnixTimestamp64Milli(pane_start)) FROM panes").result_rows[0][0])
    expected = derived.tag_growth(samples(weeks.events), since, until, ZONE, first)
    assert {tuple(row[:4]): tuple(row[4:7]) for row in rows} == expected
    assert len(expected) > 10
    for hour_local, *_, n, n_before, known, mean, growth, hour_start in rows:
        assert mean == (n_before / known if known else None)
        assert growth == (pytest.approx(n / mean - 1) if mean else None)
        assert f"{derived.local_hour(hour_start, ZONE):%Y-%m-%d %H:%M}" == hour_local


def test_first_contacts(weeks: Weeks) -> None:
    """Each resolved contact, and the figures by day, channel and queue from the same."""
    rows = weeks.client.query(
        "SELECT contact_id, first_contact, first_contact_in_queue, provisional FROM first_contacts"
    ).result_rows
    expected = derived.first_contacts(weeks.told)
    assert {row[0]: (_truth(row[1]), _truth(row[2])) for row in rows} == expected
    assert {True, False} <= {whole for whole, _ in expected.values()}
    assert any(whole != in_queue for whole, in_queue in expected.values())
    assert not any(row[3] for row in rows)
    by_place: dict[tuple[str, str, str], list[Any]] = {}
    for of in weeks.told:
        if of.resolved_at is not None:
            day = f"{datetime.fromtimestamp(of.resolved_at / 1000, ZONE):%Y-%m-%d}"
            by_place.setdefault((day, of.channel, of.queue), []).append(expected[of.contact_id])
    figures = weeks.client.query(
        "SELECT toString(day), channel, queue, resolved, with_customer, fcr, fcr_in_queue, coverage, provisional"
        " FROM fcr"
    ).result_rows
    assert {tuple(row[:3]): tuple(row[3:]) for row in figures} == {
        place: _figures(found) for place, found in by_place.items()
    }


def _truth(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def _figures(found: list[tuple[bool | None, bool | None]]) -> tuple[Any, ...]:
    known = [one for one in found if one[0] is not None]
    shares = [sum(map(bool, column)) / len(known) for column in zip(*known, strict=True)]
    return len(found), len(known), *(shares or (None, None)), len(known) / len(found), 0


def test_a_week_is_needed_to_be_sure(database: Settings, client: Client) -> None:
    """Until it is over a figure is provisional; what is outbound, discarded, or more than a week later is no return."""
    now = int(client.query("SELECT toUnixTimestamp64Milli(now64(3))").result_rows[0][0])
    week = derived.WEEK_MS
    done = {"customer_id": "c", "queue": "q", "started_at": now - 3 * week, "open": False}
    old = now - week - 60_000
    rows = [
        contact(1, contact_id="sure", **{**done, "resolved_at": old}),
        contact(1, contact_id="new", **{**done, "resolved_at": now - week + 60_000, "channel": "call"}),
        contact(1, contact_id="unknown", **{**done, "customer_id": "", "resolved_at": old}),
        contact(1, contact_id="called back", customer_id="c", started_at=old + 1, inbound=False),
        contact(1, contact_id="spam", customer_id="c", started_at=old + 1, discarded=True),
        contact(1, contact_id="at the same time", customer_id="c", started_at=old),
        contact(1, contact_id="later", customer_id="c", started_at=old + week + 1, queue="q"),
    ]
    write(database, Batch(contacts=rows))
    ask = (
        "SELECT contact_id, first_contact, first_contact_in_queue, provisional FROM first_contacts ORDER BY contact_id"
    )
    assert client.query(ask).result_rows == [("new", 0, 1, 1), ("sure", 1, 1, 0), ("unknown", None, None, 0)]
    write(database, Batch(contacts=[rows[-1]._replace(version=2, started_at=old + week)]))
    assert client.query(ask).result_rows[1] == ("sure", 0, 0, 0)


def test_emails_by_time_of_arrival(weeks: Weeks) -> None:
    """Whatever became of an e-mail, and whenever, counts where it came in; who still waits too long is a missed one."""
    rows = weeks.client.query(
        "SELECT toUnixTimestamp64Milli(pane_start), queue, arrived, answered, answered_within, abandoned,"
        " abandoned_within, short, unanswered, breached, short_excluded, short_excluded_live"
        " FROM email_service_level_by_arrival"
    ).result_rows
    expected = derived.emails_by_arrival(weeks.events)
    assert {tuple(row[:2]): list(row[2:9]) for row in rows} == expected
    assert 0 < sum(row[9] for row in rows) <= sum(row[8] for row in rows)
    for row in rows:
        _, answered, within, gone, _, short, _, late = row[2:10]
        for level, denominator in ((row[10], answered + gone - short), (row[11], answered + late + gone - short)):
            assert level == (within / denominator if denominator else None)
    whole = [sum(column) for column in itertools.islice(zip(*rows, strict=True), 2, 9)]
    assert whole[0] > whole[1] > whole[2] > 0
