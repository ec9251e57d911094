"""The configuration changes between a crash and the next start: what is retracted is what the old rules issued."""

import random
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.configuration.folder import load_rules
from tests.core import configured
from tests.core.plots import contacts
from tests.core.test_against_batch import OF_A_SEGMENT, Centres
from tests.depth import examples
from tests.oracle.centre import Centre
from tests.streams.flow import chat_event
from tests.streams.ledger import Ledger
from tests.streams.modelled_worker import ModelledWorker
from tests.streams.test_modelled_worker import passing
from tests.streams.whole_panes import assert_as_batch, kept_panes

HORIZONS: Final = """
        [horizons]
        chat = "2s"
        email = "2s"
        call = "2s"
"""
#: Three centres: one with the least, one with much, and that one with every target, calendar and tag another.
STRICT: Final = {
    **configured.FILES,
    "policies": configured.FILES["policies"].replace('"50s"', '"3s"').replace('"29s"', '"500ms"').replace("1m", "20s"),
    "queues": configured.FILES["queues"].replace("shop", "office"),
    "taxonomy": configured.FILES["taxonomy"].replace('"Fire"', '"Blaze"'),
}
CENTRES: Final = [
    Centre({**files, "centre": files.get("centre", "") + HORIZONS}) for files in ({}, configured.FILES, STRICT)
]


@pytest.fixture(scope="module")
def rulebooks(tmp_path_factory: pytest.TempPathFactory) -> Centres:
    """Give each centre's rules as a worker loads them, and as the batch reads them."""
    folder = tmp_path_factory.mktemp
    return Centres([(configured.rules(folder("centre"), dict(centre.files)), centre) for centre in CENTRES])


@settings(max_examples=examples(150))
@given(several=st.lists(contacts(), min_size=1, max_size=3), seed=st.integers(0, 1 << 32))
def test_what_was_issued_is_retracted(rulebooks: Centres, several: list[list[dict[str, Any]]], seed: int) -> None:
    """Late events, evictions, crashes, each start with other rules: samples are the ledger's, panes their sum."""
    rng = random.Random(seed)  # noqa: S311 - a test's disorder
    left = _each_once(several)
    rng.shuffle(left)
    rules, centre = rulebooks[0]
    worker, ledger, ticks = ModelledWorker(rules), Ledger(), 0
    while left:
        arriving = [passing(ticks), *left[: rng.randint(1, 5)]]
        ticks += 1
        del left[: len(arriving) - 1]
        for event in arriving:  # one a step: what a row was between two events bears on what it keeps
            worker.deliver([event])
            ledger.deliver([event], centre)
        if rng.random() < 0.7:
            worker.sink(10 * rng.randint(1, 9))
        for _ in range(rng.choice([0, 0, 3])):
            worker.evict()
        if rng.random() < 0.5:
            rules, centre = rng.choice(rulebooks)
            worker.crash(compacted=rng.random() < 0.5, rules=rules)
    worker.finish()
    assert_as_batch(worker.store, ledger.rows)


def _each_once(several: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Leave out redeliveries: no definition says whether one makes a contact be folded again."""
    found = {
        (number, event["event_id"]): {**event, "contact_id": f"c{number}", "channel": "chat"}
        for number, events in enumerate(several)
        for event in events
    }
    return list(found.values())


def test_a_late_event_after_a_restart(rulebooks: Centres, tmp_path: Path) -> None:
    """By hand: three answers in time by the old target; of one the duration changes, and only that one is late now."""
    (tmp_path / "policies.toml").write_text(
        '[[policy]]\nname = "fast"\nmetric = "first_response"\nchannel = "chat"\ntarget = "10s"\n'
    )
    worker = ModelledWorker(rulebooks[0][0])
    for name in ("kept", "changed", "undone"):
        worker.deliver([_told(name, 0, "contact.started"), _told(name, 50, "message.sent", author="agent")])
    assert [(row.policy, row.within) for row in _answers(worker)] == [("chat-60s", True)] * 3
    worker.crash(compacted=False, rules=load_rules(tmp_path))
    worker.deliver(
        [
            _told("kept", 70, "message.sent", author="customer"),
            _told("changed", 20, "contact.queued", queue="q"),
            _told("undone", 99, "event.voided", voids="50"),
        ]
    )
    assert [(row.contact_id, row.policy, row.target_ms, row.value_ms, row.within) for row in _answers(worker)] == [
        ("changed", "fast", 10_000, 30_000, False),
        ("kept", "chat-60s", 60_000, 50_000, True),
    ]
    panes = kept_panes(worker.store.panes())
    counted = {place.queue: of.counters[:6] for place, of in panes.items() if place.sample == "first_response"}
    assert counted == {"q": (1, 1, 0, 0, 0, 30_000), "unassigned": (1, 1, 1, 0, 0, 50_000)}


def test_another_segment_is_another_sample(rulebooks: Centres) -> None:
    """A connection that comes late takes the wrap-up over: hold and wrap are as long as before, and issued again."""
    (plain, quiet), (much, centre) = rulebooks[0], rulebooks[1]
    worker, ledger = ModelledWorker(plain), Ledger()
    story = [
        _told("c", 10, "contact.connected", agent_id="ann"),
        _told("c", 60, "contact.wrapped", agent_id="ann"),
        _told("c", 20, "contact.connected", agent_id="ann"),
    ]
    for event in story[:2]:
        worker.deliver([event])
        ledger.deliver([event], quiet)
    worker.crash(compacted=False, rules=much)
    worker.deliver(story[2:])
    ledger.deliver(story[2:], centre)
    worker.finish()
    issued = [row for row in worker.store.samples() if row.sample in OF_A_SEGMENT]
    assert {(row.slot, row.business_ms is None) for row in issued} == {("20", False)}
    assert_as_batch(worker.store, ledger.rows)


def _told(name: str, second: int, kind: str, **fields: str) -> dict[str, Any]:
    at = f"2026-03-02T08:{second // 60:02d}:{second % 60:02d}Z"
    return chat_event(kind, name, at, event_id=f"{second}", **fields)


def _answers(worker: ModelledWorker) -> list[Any]:
    worker.finish()
    found = [row for row in worker.store.samples() if row.sample == "first_response"]
    return sorted(found, key=lambda row: str(row.contact_id))
