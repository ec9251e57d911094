"""`python -m tests.bench.core`: what the hot path costs without a broker, each figure beside plain pydantic in one run.

Machines and their neighbours differ, so read the ratios: events a second of each part, as a share of what
`TypeAdapter.validate_json` alone does with the same records. Times are of this process's processor, the best of a few
rounds. Memory is what the process grows by. Options: --events N, --contacts N.
"""

import gc
import multiprocessing
import os
import resource
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import click
import orjson
from rich.console import Console
from rich.table import Table

from schemas.contact_record import decode_contact, decode_summary
from schemas.events import CONTACT_EVENT
from schemas.journal import CONTACT, HEAD_KEY, Head, encode_head
from schemas.policies import Rules
from schemas.topics import CONTACTS
from streams.core.event import Event, event_of, merge
from streams.core.fold import fold
from streams.core.pane_totals import PaneTotals
from streams.core.refold import EMPTY, decode_contact_state, refold
from streams.decoding.decoder import decode, read_event
from streams.journal.step_assembly import StepAssembly
from streams.partition.state import STEP_BYTES, PartitionState
from tests.bench.events import EVENTS_A_CHAT, write_chats
from tests.bench.report import Part
from tests.streams.records import Record, opened, records_of

TOPIC: Final = CONTACTS["chat"]
ROUNDS: Final = 3
RULES: Final = Rules()
#: Records in a batch where a worker keeps up.
LIVE: Final = 200
#: And where it catches up.
CATCHING_UP: Final = 16_000
#: In how many steps an open contact's events came, for its size in memory: records grow, and leave holes.
GROWTH: Final = 3
#: Contacts in hand are fewer.
TENTH: Final = 10


def _best(work: Callable[[], object]) -> float:
    took = []
    for _ in range(ROUNDS):
        gc.collect()
        begun = time.process_time()
        work()
        took.append(time.process_time() - begun)
    return min(took)


def _steps(records: list[Record], batch: int) -> PartitionState:
    partition = opened(TOPIC, RULES)
    for begin in range(0, len(records), batch):
        for _ in partition.steps(records[begin : begin + batch], STEP_BYTES):
            pass
    return partition


def _speeds(events: int) -> Iterator[tuple[str, float]]:
    """Give the name of each part and its events a second; plain pydantic first."""
    records = records_of(write_chats(events))
    read = [(record.key, record.value or b"") for record in records]
    contacts: dict[bytes | None, list[Event]] = {}
    for key, value in read:
        contacts.setdefault(key, []).append(read_event(TOPIC, key, value))
    whole = [merge([], arrived)[0] for arrived in contacts.values()]
    outcomes = [refold("chat", EMPTY, arrived, RULES, 1) for arrived in whole]
    changes = [outcome.change for outcome in outcomes if outcome is not None]
    values = [change.value or b"" for change in changes]

    def each(do: Callable[[Any], object], things: list[Any]) -> Callable[[], object]:
        return lambda: [None for thing in things if do(thing) is None]

    def panes() -> None:
        kept = PaneTotals()
        for change in changes:
            kept.add(1, change.issued, 1)

    parts: list[tuple[str, Callable[[], object]]] = [
        ("plain pydantic", each(CONTACT_EVENT.validate_json, [value for _, value in read])),
        ("decode, without the fast path", each(lambda one: event_of(decode(TOPIC, *one)), read)),
        ("decode", each(lambda one: read_event(TOPIC, *one), read)),
        ("fold", each(lambda one: fold("chat", one, RULES), whole)),
        ("fold, compare and encode", each(lambda one: refold("chat", EMPTY, one, RULES, 1), whole)),
        ("panes", panes),
        ("read a contact's state", each(decode_contact_state, values)),
        ("read a contact, as the sink", each(decode_contact, values)),
        ("read a summary", each(decode_summary, values)),
        ("a partition's steps, catching up", lambda: _steps(records, CATCHING_UP)),
        ("a partition's steps, live", lambda: _steps(records, LIVE)),
    ]
    for name, work in parts:
        yield name, len(records) / _best(work)


def _recovery(contacts: int) -> float:
    """Give the contacts a second that come back from journal records, as they were fetched."""
    kept = _steps(records_of(write_chats(1_000 * EVENTS_A_CHAT)), CATCHING_UP).contacts
    values = list(kept.values())
    records = [(at, CONTACT + b"%036d" % at, values[at % len(values)]) for at in range(contacts)]
    head = encode_head(Head(next=1, step=1, open=0))

    def load() -> None:
        partition, assembly = PartitionState(TOPIC, 0, RULES), StepAssembly(TOPIC, 0)
        for record in records:
            assembly.feed(*record)
        step = assembly.feed(contacts, HEAD_KEY, head)
        if step is None:
            raise RuntimeError("the journal's head completes no step")
        partition.load(step)

    return contacts / _best(load)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _open_chat(number: int) -> list[Event]:
    """Make the ten events of a chat in hand, every id of 36 characters."""
    ids = [str(uuid.UUID(int=number * 1_000_003 * 2**64 + at * 7_919, version=4)) for at in range(2 * EVENTS_A_CHAT)]
    chat = write_chats(EVENTS_A_CHAT)[:8]
    said = {name: value for name, value in chat[-2].items() if name != "tags"}
    chat += [said | {"event_id": f"more-{at}", "occurred_at": "2026-03-02T08:20:00+00:00"} for at in range(2)]
    return [
        read_event(TOPIC, ids[-1].encode(), orjson.dumps(event | {"event_id": own, "contact_id": ids[-1]}))
        for own, event in zip(ids, chat, strict=False)
    ]


def grown_by(contacts: int) -> tuple[float, float]:
    """Give the bytes by which the process grows for each open contact, and those of its record."""
    kept: dict[bytes, bytes] = {}
    arrived = [_open_chat(number) for number in range(100)]
    if {len(events) for events in arrived} != {EVENTS_A_CHAT}:
        raise RuntimeError("an open chat has ten events")
    gc.collect()
    before = _resident()
    bounds = [EVENTS_A_CHAT * part // GROWTH for part in range(GROWTH + 1)]
    for begin, end in pairwise(bounds):
        for number in range(contacts):
            key = b"%036d" % number
            state = decode_contact_state(kept[key]) if begin else EMPTY
            outcome = refold("chat", state, arrived[number % len(arrived)][begin:end], RULES, 1 + begin)
            if outcome is None or outcome.change.value is None:
                raise RuntimeError("an event of a contact in hand is new")
            kept[key] = outcome.change.value
    gc.collect()
    grown = _resident() - before
    return grown / contacts, sum(map(len, kept.values())) / contacts


def in_hand_by(contacts: int) -> float:
    """Give the bytes by which the process grows for each contact whose last fold is cached."""
    gc.collect()
    before = _resident()
    kept = []
    for number in range(contacts):
        outcome = refold("chat", EMPTY, _open_chat(number), RULES, 1)
        if outcome is None or outcome.incremental is None:
            raise RuntimeError("a chat in order needs no refold")
        kept.append(outcome.incremental)
    gc.collect()
    return (_resident() - before) / contacts


def memory(contacts: int) -> Part:
    """Measure what an open contact costs in memory, in a process of its own: on a heap without holes."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        grown, record = process.submit(grown_by, contacts).result()
        in_hand = process.submit(in_hand_by, contacts // TENTH).result()
    rows = [
        ("memory of an open contact of ten events", f"{grown:,.0f} bytes, {record:,.0f} of them its record"),
        ("in addition, of each contact that is kept unpacked (`contacts_in_hand`)", f"{in_hand:,.0f} bytes"),
    ]
    return Part(rows, [f"growth of resident size over {contacts:,} contacts, ids of 36 characters"])


@click.command()
@click.option("--events", default=20_000, show_default=True)
@click.option("--contacts", default=100_000, show_default=True)
def main(events: int, contacts: int) -> None:
    """Measure and print."""
    memory, record = grown_by(contacts)  # first, on a heap without holes
    table = Table(title=f"{events:,} events, one process, {os.cpu_count()} cores")
    for column in ("", "events/s", "to plain pydantic"):
        table.add_column(column, justify="right" if column else "left")
    plain = 0.0
    for name, speed in _speeds(events):
        plain = plain or speed
        table.add_row(name, f"{speed:,.0f}", f"{speed / plain:.2f} x")
    console = Console()
    console.print(table)
    console.print(f"an open contact of ten events: {memory:,.0f} bytes in memory, {record:,.0f} of them its record")
    recovered = _recovery(contacts)
    console.print(f"recovery: {recovered:,.0f} contacts/s, {recovered / plain:.2f} x plain pydantic")


if __name__ == "__main__":
    main()
