"""Each kind of damage is found, named and repaired, and a correct base is left alone; on the real engine."""

from typing import Any, Final

import pytest
from clickhouse_connect.driver.client import Client

from schemas.policies import Policy, Rules
from schemas.settings import Settings
from schemas.topics import CHANNELS, CONTACTS
from sinks.clickhouse.stored_rows import EVERYTHING, Span
from sinks.reconcile import reconciliation
from sinks.reconcile.reconciliation import reconcile
from sinks.reconcile.report import Report
from sinks.store_protocol import StoreError
from tests.core.story import BEGIN
from tests.sinks.reconcile.worker_and_sink import WorkerAndSink, busy, end_epochs, story_records

RULES = Rules()
#: A contact with most of what there is.
FULL_STORY = """
    0 started queue=billing customer_id=kim
    1 bot
    2 handed_off
    3 queued queue=billing
    33 agent agent_id=ann
    40 customer
    70 agent agent_id=ann
    80 tagged tags=refund,late
    90 resolved
    95 rated score=4 scale_max=5
"""


@pytest.fixture
def stream(database: Settings) -> WorkerAndSink:
    """Return one source partition's worker and sink."""
    return WorkerAndSink(database)


@pytest.fixture
def full_contact(stream: WorkerAndSink) -> WorkerAndSink:
    """Have one contact in it, wholly written."""
    stream.play(story_records("desk:1", FULL_STORY))
    return stream


def visible_rows(client: Client) -> list[Any]:
    """Read what every user sees."""
    tables = ("samples", "contacts", "panes", "tag_panes")
    return [client.query(f"SELECT * FROM {table} ORDER BY ALL").result_rows for table in tables]  # noqa: S608 - our own names


def repair(database: Settings, rules: Rules = RULES, *, ended: bool = True, span: Span = EVERYTHING) -> Report:
    """Repair, once every epoch so far has ended."""
    if ended:
        end_epochs(database)
    return reconcile(database, rules, repair=True, span=span)


def check_repair(database: Settings, client: Client, before: list[Any]) -> None:
    """Repair, check that all is as it was, and that a second repair writes nothing."""
    assert repair(database).ok
    assert visible_rows(client) == before
    again = repair(database)
    assert (sum(again.written.values()), again.totals) == (0, {})


def rewritten(table: str, replaced: str, where: str = "true") -> str:
    """Write rows of a table again, some columns otherwise, as a later version."""
    columns = f"{replaced}, version + 1 AS version"
    return f"INSERT INTO {table} SELECT * REPLACE ({columns}) FROM {table} WHERE {where}"  # noqa: S608 - our own names


def test_a_correct_base_has_no_difference(database: Settings, stream: WorkerAndSink, client: Client) -> None:
    """A busy channel, out of order and with redeliveries: nothing differs or is left out, repair writes nothing."""
    stream.play(busy())
    report = reconcile(database, RULES)
    assert (report.differences, report.ok, sum(report.left_out.values())) == ([], True, 0)
    for table in ("samples", "contacts", "panes", "tag_panes"):
        assert report.compared[table] == client.query(f"SELECT count() FROM {table}").result_rows[0][0], table  # noqa: S608 - our own names
        assert report.compared[table] > 30
    assert sum(repair(database).written.values()) == 0


def test_oddities_are_no_differences(database: Settings, stream: WorkerAndSink) -> None:
    """Partial, discarded, voided, conflicting, of unknown type only, with ids that need quoting: all are right."""
    stream.play(story_records("desk:partial", "5 agent agent_id=ann\n9 resolved"))
    stream.play(story_records("desk:spam", FULL_STORY + "\n99 discarded reason=spam"))
    stream.play(story_records("desk:voided", FULL_STORY + "\n99 event.voided voids=e5"))
    stream.play(
        story_records("desk:conflict", "0 started\n5 missed agent_id=ben event_id=x\n5 missed agent_id=ann event_id=x")
    )
    stream.play(story_records("desk:unknown", "0 teleported"))
    stream.play(story_records("desk:'\"\\\t{x} %s ü😀", FULL_STORY))
    report = reconcile(database, RULES)
    assert (report.differences, report.compared["contacts"]) == ([], 6)


#: One of each table, and of each finding, in every run.
OFTEN_TRIED: Final = {"a row missing", "a pane too much", "a tag missing", "a contact wrong"}
DAMAGE: dict[str, tuple[str, dict[tuple[str, str], int]]] = {
    "a row missing": (
        "DELETE FROM samples_rows WHERE sample = 'handle' OR sample = 'next_response'",
        {("samples", "missing"): 1},
    ),
    "a row too much": (
        rewritten("samples_rows", "'e3' AS slot", "sample = 'next_response'"),
        {("samples", "too much"): 1, ("panes", "different"): 1},
    ),
    "a wrong value": (
        rewritten("samples_rows", "value_ms + 1 AS value_ms", "sample = 'first_response'"),
        {("samples", "different"): 1},
    ),
    "a row wrongly taken back": (
        rewritten("samples_rows", "true AS gone", "sample = 'offered'"),
        {("samples", "missing"): 1},
    ),
    "beyond a target that it is within": (
        rewritten("samples_rows", "false AS within", "sample = 'first_response'"),
        {("samples", "different"): 1},
    ),
    "a pane missing": ("DELETE FROM panes_rows WHERE sample = 'queue_wait'", {("panes", "missing"): 1}),
    "a pane doubled": (rewritten("panes_rows", "'x' AS supplement", "sample = 'entered'"), {("panes", "different"): 1}),
    "a pane too much": (rewritten("panes_rows", "'x' AS queue", "sample = 'entered'"), {("panes", "too much"): 1}),
    "a wrong histogram": (
        rewritten("panes_rows", "map(9, 1) AS hist", "sample = 'queue_wait'"),
        {("panes", "different"): 1},
    ),
    "a tag missing": ("DELETE FROM tag_panes_rows WHERE tag = 'late'", {("tag_panes", "missing"): 1}),
    "tags doubled": (rewritten("tag_panes_rows", "0 AS epoch"), {("tag_panes", "different"): 2}),
    "a contact missing": ("TRUNCATE TABLE contacts_rows", {("contacts", "missing"): 1}),
    "a contact wrong": (rewritten("contacts_rows", "9 AS replies"), {("contacts", "different"): 1}),
}


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        pytest.param(*each, id=name, marks=[] if name in OFTEN_TRIED else pytest.mark.long)
        for name, each in DAMAGE.items()
    ],
)
@pytest.mark.usefixtures("full_contact")
def test_damage_is_found_and_repaired(
    database: Settings, client: Client, damage: str, found: dict[tuple[str, str], int]
) -> None:
    """Found by its kind, and only that where panes and samples fit each other; then all is as it was."""
    before = visible_rows(client)
    client.command(damage)
    report = reconcile(database, RULES)
    assert not report.ok
    assert found.items() <= report.totals.items()
    assert {table for table, _ in report.totals} <= {"panes", next(table for table, _ in found)}
    check_repair(database, client, before)


def test_archived_events_without_rows(database: Settings, stream: WorkerAndSink, client: Client) -> None:
    """A sink that died after the archive: what its epoch owes is found once it has ended, and made good."""
    stream.play(story_records("desk:1", FULL_STORY))
    stream.send(story_records("desk:2", FULL_STORY))
    stream.send(
        story_records(
            "desk:1", "100 customer event_id=x1\n130 agent agent_id=ben event_id=x2\n140 resolved event_id=x3"
        )
    )
    stream.archive()
    beside = reconcile(database, RULES)
    assert (beside.totals, beside.left_out["contacts"], beside.ok) == ({}, 2, True)
    report = repair(database)
    assert report.totals["contacts", "missing"] == 1
    assert report.totals["contacts", "different"] == 1
    rows = client.query("SELECT contact_id, replies, reopens FROM contacts ORDER BY 1").result_rows
    assert rows == [("desk:1", 3, 1), ("desk:2", 2, 0)]
    check_repair(database, client, visible_rows(client))


@pytest.mark.parametrize(
    "written", [pytest.param(("panes",), marks=pytest.mark.long), ("panes", "tag_panes", "samples")]
)
def test_a_batch_half_written(
    database: Settings, stream: WorkerAndSink, client: Client, written: tuple[str, ...]
) -> None:
    """Whichever tables were reached when it died: nothing is called wrong while it may go on, all is repaired after."""
    stream.play(busy(minutes=2))
    stream.send(story_records("desk:1", FULL_STORY))
    stream.send(busy(seed=2, minutes=2))
    stream.write(*written, progress=False)
    beside = reconcile(database, RULES)
    assert (beside.totals, beside.ok) == ({}, True)
    assert sum(beside.left_out.values()) > 0
    assert repair(database).ok
    check_repair(database, client, visible_rows(client))


def test_the_same_events_again_in_a_new_life(database: Settings, stream: WorkerAndSink, client: Client) -> None:
    """A broker that forgot, and a replay: panes are doubled until both epochs have ended and are repaired."""
    stream.play(story_records("desk:1", FULL_STORY))
    before = visible_rows(client)
    WorkerAndSink(database, epoch=2).play(story_records("desk:1", FULL_STORY))
    running = repair(database, ended=False)
    assert {table for table, _ in running.totals} == {"panes", "tag_panes"}
    assert not running.ok
    assert running.compared_only == running.totals
    assert sum(running.written.values()) == 0
    check_repair(database, client, before)


def test_an_ended_life_beside_a_running_one(database: Settings, stream: WorkerAndSink, client: Client) -> None:
    """What the ended one left is repaired, what the running one holds is compared, and neither disturbs the other."""
    stream.play(story_records("desk:1", FULL_STORY))
    before = visible_rows(client)
    client.command("DELETE FROM panes_rows WHERE sample = 'replies'")
    client.command("DELETE FROM samples_rows WHERE sample = 'rated'")
    second = WorkerAndSink(database, epoch=2)
    second.play(story_records("desk:2", "100000 started\n100005 agent agent_id=ann"))
    client.command("DELETE FROM samples_rows WHERE contact_id = 'desk:2' AND sample = 'offered'")
    report = repair(database, ended=False)
    assert dict(report.compared_only) == {("samples", "missing"): 1, ("panes", "too much"): 1}
    assert (report.standing, report.ok) == (2, False)
    assert dict(report.written) == {"samples": 1, "contacts": 0, "panes": 1, "tag_panes": 0}
    again = repair(database, ended=False)
    assert (sum(again.written.values()), again.standing) == (0, 2)
    second.play(story_records("desk:2", "100050 discarded reason=test event_id=x"))
    mine = [[row for row in rows if "desk:2" not in row] for rows in visible_rows(client)]
    assert mine[0] == before[0]
    assert mine[1] == before[1]


def test_no_pane_is_repaired_to_fit_a_wrong_sample(database: Settings, stream: WorkerAndSink, client: Client) -> None:
    """A contact that a running epoch has taken up again keeps its gap, and the pane of an ended epoch its count."""
    stream.play(story_records("desk:1", FULL_STORY))
    WorkerAndSink(database, epoch=2).play(story_records("desk:2", "100000 started"))
    client.command(
        "INSERT INTO contacts_rows SELECT * REPLACE (bitShiftLeft(toUInt64(2), 40) + 1 AS version) FROM contacts_rows"
    )
    before = visible_rows(client)
    client.command("DELETE FROM samples_rows WHERE contact_id = 'desk:1' AND sample IN ('rated', 'tagged')")
    report = repair(database, ended=False)
    assert report.compared_only == report.totals
    assert {table for table, _ in report.totals} == {"samples", "panes", "tag_panes"}
    assert sum(report.written.values()) == 0
    assert visible_rows(client)[1:] == before[1:]
    check_repair(database, client, before)


def test_repaired_panes_go_on_counting(database: Settings, stream: WorkerAndSink, client: Client) -> None:
    """A later life adds to a pane that was repaired, and a repair after it finds nothing to do."""
    stream.play(story_records("desk:1", FULL_STORY))
    client.command("TRUNCATE TABLE panes_rows")
    assert repair(database).written["panes"] > 5
    WorkerAndSink(database, epoch=2).play(story_records("desk:2", FULL_STORY))
    assert reconcile(database, RULES).ok
    assert client.query("SELECT n FROM panes WHERE sample = 'offered'").result_rows == [(2,)]
    before = visible_rows(client)
    client.command(rewritten("panes_rows", "5 AS n", "epoch = 2 AND sample = 'offered'"))
    check_repair(database, client, before)


@pytest.mark.usefixtures("full_contact")
def test_another_configuration_is_nothing_wrong(database: Settings, client: Client) -> None:
    """A sample keeps what it was held against: told, not failed, and not rewritten; its panes fit it."""
    before = visible_rows(client)
    stricter = Rules(policies=(Policy("chat-10s", "first_response", 10_000, 0.9, channel="chat"),), short_abandon_ms=1)
    for report in (reconcile(database, stricter), repair(database, stricter)):
        assert report.totals == {("samples", "another configuration"): 1}
        assert report.ok
        assert report.differences[0].columns == {
            "policy": ("chat-60s", "chat-10s"),
            "target_ms": (60_000, 10_000),
            "within": (True, False),
        }
        assert sum(report.written.values()) == 0
    assert visible_rows(client) == before


@pytest.mark.usefixtures("full_contact")
def test_without_its_event_a_row_stays(database: Settings, client: Client) -> None:
    """Where the archive lacks events that rows tell of, it proves nothing: said so, and nothing is taken back."""
    client.command("DELETE FROM events_rows WHERE event_id = 'e7'")
    before = visible_rows(client)
    report = repair(database)
    assert {kind for _, kind in report.totals} == {"not archived"}
    assert not report.ok
    client.command("TRUNCATE TABLE events_rows")
    assert {kind for _, kind in repair(database).totals} == {"not archived"}
    assert visible_rows(client) == before


def test_a_span_limits_what_is_compared(database: Settings, stream: WorkerAndSink, client: Client) -> None:
    """Contacts with an event in it, panes of its hours; a repair also sees to the panes of what it repaired."""
    stream.play(story_records("desk:early", FULL_STORY))
    later = 100_000
    stream.play(story_records("desk:late", f"0 started\n{later} agent agent_id=ann"))
    before = visible_rows(client)
    client.command("DELETE FROM samples_rows WHERE contact_id = 'desk:early' AND sample = 'rated'")
    since = BEGIN + later * 1000 - 5_000
    assert reconcile(database, RULES, span=Span(begin=since)).ok
    assert not reconcile(database, RULES, span=Span(end=since)).ok
    assert repair(database).ok
    assert visible_rows(client) == before
    client.command("DELETE FROM samples_rows WHERE contact_id = 'desk:late'")
    client.command("DELETE FROM panes_rows WHERE sample = 'offered'")
    assert repair(database, span=Span(begin=since)).ok
    assert visible_rows(client) == before


def test_pages_and_pieces_cut_nothing(
    database: Settings, stream: WorkerAndSink, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However small the pieces that fit into memory, everything is compared, once."""
    stream.play(busy(minutes=3))
    before = visible_rows(client)
    whole = reconcile(database, RULES).compared
    monkeypatch.setattr(reconciliation, "CONTACTS_AT_ONCE", 20)
    monkeypatch.setattr(reconciliation, "SAMPLES_AT_ONCE", 50)
    told_of: list[tuple[str, int, int]] = []
    assert reconcile(database, RULES, show_progress=lambda *what: told_of.append(what)).compared == whole
    assert {what for what, _, _ in told_of} == {"contacts", "panes"}
    client.command("TRUNCATE TABLE samples_rows")
    check_repair(database, client, before)


@pytest.mark.long
def test_every_channel(database: Settings, client: Client) -> None:
    """Calls and e-mails fold by their own rules."""
    for channel in CHANNELS:
        WorkerAndSink(database, CONTACTS[channel]).play(busy(channel=channel, minutes=3))
    assert reconcile(database, RULES).ok
    before = visible_rows(client)
    client.command("TRUNCATE TABLE samples_rows")
    client.command("TRUNCATE TABLE contacts_rows")
    check_repair(database, client, before)


def test_no_tables_is_said(empty_database: Settings) -> None:
    """A database that is not there: refused with the command that makes it."""
    for mends in (False, True):
        with pytest.raises(StoreError, match="pulssi migrate"):
            reconcile(empty_database, RULES, repair=mends)
