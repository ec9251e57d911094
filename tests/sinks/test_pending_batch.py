"""Gathering steps into a batch."""

from typing import Any, cast

from schemas.contact_record import Summary, encode_contact
from schemas.journal import CONTACT, Head, encode_pane, encode_pane_key
from schemas.panes import Pane, PaneKey, TagPaneKey
from schemas.samples import Sample
from sinks.pending_batch import PendingBatch, contact_row, epoch_claims, progress_rows
from sinks.rows import Progress, version_of
from streams.journal.step_assembly import Step, StoredRecord
from tests.streams.live.steps import summary

SOURCE = "contacts.chat"
KEY = PaneKey(1, 60_000, "q", "normal", "", "", "handle")


def sample(slot: str, **fields: Any) -> Sample:  # noqa: ANN401 - any fields
    """Make a sample as a worker would write it."""
    return Sample("handle", slot, 60_000, "q", "normal", "", "", "", "x", **fields)


def contact(rows: list[tuple[int, Sample]], gone: list[tuple[int, str, str]], **fields: Any) -> bytes:  # noqa: ANN401
    """Write a contact's journal record."""
    told = {"queue": "", "priority": "", "started_at": None, "last_at": 1, **fields}
    return encode_contact(summary(**told), [], rows, gone)


def step(number: int, records: list[StoredRecord], *, epoch: int = 1, restarted: bool = False) -> Step:
    """Make a step."""
    head = Head(next=number * 10, step=number, epoch=epoch, open=0)
    return Step(SOURCE, 0, head, number * 100, records, restarted)


def test_only_rows_after_the_step_that_is_in() -> None:
    """Rows and retractions that are in already are not written again; the contact itself is."""
    value = contact([(4, sample("old")), (5, sample("new", value_ms=7))], [(4, "hold", "old"), (5, "hold", "new")])
    pending = PendingBatch({(SOURCE, 0): 4})
    pending.add(step(5, [(470, CONTACT + b"a:1", value)]))
    batch = pending.batch()
    assert [(row.slot, row.retracted, row.version, row.channel) for row in batch.samples] == [
        ("new", False, version_of(1, 470), "chat"),
        ("new", True, version_of(1, 470), ""),
    ]
    assert [row.contact_id for row in batch.contacts] == ["a:1"]
    assert pending.steps_once_written() == {(SOURCE, 0): 5}


def test_all_rows_where_no_step_is_known_or_the_journal_is_read_anew() -> None:
    """Without a known step, or with one of another journal, everything is written."""
    value = contact([(1, sample("one")), (2, sample("two"))], [])
    for pending, restarted in ((PendingBatch(), False), (PendingBatch({(SOURCE, 0): 50}), True)):
        pending.add(step(3, [(1, CONTACT + b"a:1", value)], restarted=restarted))
        assert [row.slot for row in pending.batch().samples] == ["one", "two"]


def test_a_batch_measures_from_the_batch_before() -> None:
    """Of several records of a contact in one batch the last has every row since the batch began."""
    first = contact([(5, sample("one"))], [])
    second = contact([(5, sample("one")), (6, sample("two"))], [])
    pending = PendingBatch({(SOURCE, 0): 4})
    pending.add(step(5, [(1, CONTACT + b"a:1", first)]))
    pending.add(step(6, [(3, CONTACT + b"a:1", second), (4, CONTACT + b"a:1", None)]))
    batch = pending.batch()
    assert [row.slot for row in batch.samples] == ["one", "two"]
    assert len(batch.contacts) == 1


def test_each_value_is_in_the_column_of_its_name() -> None:
    """Columns are filled by place: every one of a contact's summary and of a sample is where its name says."""
    held = [("resolution", "slow", 1, None, 9), ("first_response", "quick", 2, 3, None)]
    told = {name: f"<{name}>" for name in Summary.__annotations__} | {"deadlines": held}
    own = {"contact_id": "a:1", "version": 7}
    row = contact_row("a:1", 7, cast("Summary", told))._asdict()
    deadlines = {name: row.pop(name) for name in list(row) if name.endswith(("_policy", "_warns_at", "_breached_at"))}
    assert {name: value for name, value in deadlines.items() if value} == {
        "first_response_policy": "quick",
        "first_response_warns_at": 3,
        "resolution_policy": "slow",
        "resolution_breached_at": 9,
    }
    assert row == own | {name: told[name] for name in told.keys() - {"v", "step", "clocks", "pauses", "deadlines"}}
    pending = PendingBatch()
    made = Sample(*(f"<{name}>" for name in Sample._fields))  # type: ignore[arg-type]  # only their places count
    pending.add(step(1, [(1, CONTACT + b"a:1", contact([(1, made)], []))]))
    (sent,) = pending.batch().samples
    assert sent._asdict() == {
        **own,
        "version": version_of(1, 1),
        "retracted": False,
        "channel": "chat",
        **made._asdict(),
    }


def test_a_sample_issued_again_is_not_taken_back() -> None:
    """Where a key is both in effect and among the retracted, it is in effect."""
    pending = PendingBatch()
    pending.add(step(1, [(1, CONTACT + b"a:1", contact([(2, sample("s"))], [(1, "handle", "s")]))]))
    assert [row.retracted for row in pending.batch().samples] == [False]


def test_of_a_pane_the_last_value() -> None:
    """Panes are absolute; versions carry the epoch and the journal offset."""
    pending = PendingBatch()
    key = encode_pane_key(KEY)
    pending.add(step(1, [(1, key, encode_pane(Pane(n=1, hist={3: 1})))], epoch=2))
    tag = encode_pane_key(TagPaneKey(1, 60_000, "q", "billing"))
    pending.add(step(2, [(5, key, encode_pane(Pane(n=2, hist={3: 2}))), (6, tag, b"[4,true]")], epoch=2))
    batch = pending.batch()
    (pane,), (tags,) = batch.panes, batch.tag_panes
    assert (pane.n, pane.hist, pane.version, pane.channel, pane.epoch) == (2, {3: 2}, version_of(2, 5), "chat", 1)
    assert (tags.n, tags.known, tags.tag, tags.version) == (4, True, "billing", version_of(2, 6))


def test_size_counts_what_is_held() -> None:
    """A value that replaces another does not add up with it."""
    pending = PendingBatch()
    pending.add(step(1, [(1, b"cA", b"x" * 100)]))
    pending.add(step(2, [(2, b"cA", b"x" * 40), (3, b"cB", None)]))
    assert pending.size == 42


def test_progress_and_claims() -> None:
    """Progress says what is in; a claim only that the epoch has begun."""
    pending = PendingBatch()
    pending.add(step(3, [], epoch=2))
    reached = pending.positions.items()
    assert progress_rows(reached, 99) == [Progress(SOURCE, 0, 2, 30, 3, 0, 300, 99)]
    assert epoch_claims({(SOURCE, 0): 2}, 99) == [Progress(SOURCE, 0, 2, 0, 0, -1, 0, 99)]
