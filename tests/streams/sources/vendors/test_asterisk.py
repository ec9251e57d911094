"""Asterisk's queue log: rows give the right samples in any order, the fast way gives what the slow one does; a day."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from schemas.policies import Rules
from schemas.topics import CONTACTS
from streams.sources.adapter import AccountRules, Payload, UnmappableError
from streams.sources.checked_events import Outcome, map_payload
from streams.sources.simulator import Plan, simulate
from streams.sources.vendors.asterisk import ADAPTER
from streams.sources.vendors.asterisk.fast_rows import fast_rows
from streams.times import rfc3339
from tests.cases.told import folded
from tests.oracle.agents import states
from tests.oracle.contacts import milliseconds
from tests.streams.sources.golden_cases import GoldenCase, golden_cases

BEGIN: Final = 1_772_352_000
ACCOUNT: Final = AccountRules(
    "asterisk", "main", queues={"q-1": "billing"}, bots=frozenset({"SIP/999"}), pseudonym_key=SecretStr("k" * 32)
)
Events = list[dict[str, Any]]


def mapped(row: str, line: int, account: AccountRules = ACCOUNT) -> Outcome | str:
    """Map a row as any payload is; the error where it cannot be mapped."""
    try:
        return map_payload(ADAPTER, "queue_log", Payload(row.encode(), line=line), account)
    except UnmappableError as error:
        return str(error)


def events_of(rows: Iterable[str]) -> Events:
    """Map the rows of a file."""
    found: Events = []
    for line, row in enumerate(rows, 1):
        outcome = mapped(row, line)
        assert isinstance(outcome, Outcome), f"{row}: {outcome}"
        found += [orjson.loads(record.value) for record in outcome.records]
    return found


def log(*rows: str, call: str = f"{BEGIN}.1") -> list[str]:
    """Write rows `seconds queue agent EVENT|parameters` of one call."""
    parts = [row.split(" ", 3) for row in rows]
    return [f"{BEGIN + int(at)}|{call}|{queue}|{agent}|{event}" for at, queue, agent, event in parts]


def samples(events: Events, seed: int | None = None) -> Counter[tuple[str, str, int | None]]:
    """Fold events; count samples with their queues and values."""
    return Counter((row["sample"], row["queue"], row["value_ms"]) for row in folded(events, Rules(), seed))


ENTER: Final = "ENTERQUEUE||0401234567|1"
STORIES: Final[dict[str, tuple[list[str], list[tuple[str, str, int | None]]]]] = {
    "answered": (
        log(f"0 q-1 NONE {ENTER}", "9 q-1 SIP/101 CONNECT|9|x.2|4", "99 q-1 SIP/101 COMPLETECALLER|9|90|1"),
        [
            ("offered", "billing", None),
            ("entered", "billing", None),
            ("queue_wait", "billing", 9000),
            ("first_response", "billing", 9000),
            ("handle", "billing", 90_000),
        ],
    ),
    "all within a second": (
        log(f"0 q-1 NONE {ENTER}", "0 q-1 SIP/101 CONNECT|0|x.2|0", "0 q-1 SIP/101 COMPLETEAGENT|0|0|1"),
        [("queue_wait", "billing", 0), ("first_response", "billing", 0), ("handle", "billing", 0)],
    ),
    "missed by one, taken by another": (
        log(
            f"0 q-1 NONE {ENTER}",
            "15 q-1 SIP/101 RINGNOANSWER|15000",
            "20 q-1 SIP/102 CONNECT|20|x.2|4",
            "30 q-1 SIP/102 COMPLETEAGENT|20|10|1",
        ),
        [("missed", "billing", None), ("first_response", "billing", 20_000), ("handle", "billing", 10_000)],
    ),
    "out of one queue into another in the same second": (
        log(
            f"0 q-1 NONE {ENTER}",
            "30 q-1 NONE EXITWITHTIMEOUT|1|1|30",
            f"30 support NONE {ENTER}",
            "50 support SIP/101 CONNECT|20|x.2|4",
            "60 support SIP/101 COMPLETEAGENT|20|10|1",
        ),
        [
            ("entered", "billing", None),
            ("entered", "support", None),
            ("queue_wait", "billing", 30_000),
            ("queue_wait", "support", 20_000),
            ("first_response", "support", 50_000),
        ],
    ),
    "transferred into another queue in the same second": (
        log(
            f"0 q-1 NONE {ENTER}",
            "10 q-1 SIP/101 CONNECT|10|x.2|4",
            "40 q-1 SIP/101 BLINDTRANSFER|600|internal|10|30|1",
            f"40 support NONE {ENTER}",
            "55 support SIP/102 CONNECT|15|x.3|4",
            "95 support SIP/102 COMPLETEAGENT|15|40|1",
        ),
        [
            ("transferred", "billing", None),
            ("handle", "billing", 30_000),
            ("handle", "support", 40_000),
            ("queue_wait", "billing", 10_000),
            ("queue_wait", "support", 15_000),
            ("first_response", "billing", 10_000),
        ],
    ),
    "transferred away": (
        log(
            f"0 q-1 NONE {ENTER}",
            "10 q-1 SIP/101 CONNECT|10|x.2|4",
            "40 q-1 SIP/101 ATTENDEDTRANSFER|LINK|a|b|10|30|1",
        ),
        [("transferred", "billing", None), ("handle", "billing", 30_000), ("resolution", "billing", 40_000)],
    ),
    "gave up while being connected": (
        log(f"0 q-1 NONE {ENTER}", "30 q-1 SIP/101 ABANDON|1|1|30"),
        [("abandoned", "billing", 30_000), ("queue_wait", "billing", 30_000)],
    ),
    "the same queue twice": (
        log(
            f"0 q-1 NONE {ENTER}",
            "30 q-1 NONE EXITWITHKEY|1|1|1|30",
            f"60 q-1 NONE {ENTER}",
            "70 q-1 NONE ABANDON|1|1|10",
        ),
        [("queue_wait", "billing", 30_000), ("queue_wait", "billing", 10_000), ("abandoned", "billing", 70_000)],
    ),
    "its beginning is in another file": (
        log("9 q-1 SIP/101 CONNECT|9|x.2|4", "99 q-1 SIP/101 COMPLETECALLER|9|90|1"),
        [("handle", "billing", 90_000)],
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_calls_give_their_samples(name: str) -> None:
    """Each story gives its samples, and the same ones in any order and with rows again."""
    rows, wanted = STORIES[name]
    events = events_of(rows)
    found = samples(events)
    of = {sample for sample, _, _ in wanted}
    assert sorted(map(str, (each for each in found.elements() if each[0] in of))) == sorted(map(str, wanted))
    for seed in range(5):
        assert samples(events, seed) == found


def test_a_lost_end_holds_nothing_back() -> None:
    """Without its rows of exit a call has only what is known, and the next call of that agent counts whole."""
    first = log(f"0 q-1 NONE {ENTER}", "9 q-1 SIP/101 CONNECT|9|x.2|4")
    second = log(
        f"200 q-1 NONE {ENTER}", "205 q-1 SIP/101 CONNECT|5|x.2|4", "215 q-1 SIP/101 COMPLETEAGENT|5|10|1", call="x.9"
    )
    found = samples(events_of([*first, *second]))
    assert found["handle", "billing", 10_000] == sum(n for (name, _, _), n in found.items() if name == "handle") == 1


def test_a_pause_in_all_queues_is_one() -> None:
    """PAUSEALL and a PAUSE for each queue are one stretch, as are the rows of the way back."""
    queues = ("q-1", "support", "sales")
    rows = [
        *(f"{BEGIN}|MANAGER|{queue}|SIP/101|ADDMEMBER|" for queue in queues),
        f"{BEGIN + 60}|NONE|NONE|SIP/101|PAUSEALL|lunch",
        *(f"{BEGIN + 60}|NONE|{queue}|SIP/101|PAUSE|lunch" for queue in queues),
        f"{BEGIN + 90}|NONE|q-1|SIP/101|UNPAUSE|Auto-Unpause",
        f"{BEGIN + 90}|NONE|q-1|SIP/101|PAUSE|lunch",
        f"{BEGIN + 600}|NONE|NONE|SIP/101|UNPAUSEALL|",
        *(f"{BEGIN + 600}|NONE|{queue}|SIP/101|UNPAUSE|" for queue in queues),
        f"{BEGIN + 900}|MANAGER|q-1|SIP/101|REMOVEMEMBER|",
    ]
    found = states(events_of(rows))
    assert [(each.status, each.reason, each.since // 1000 - BEGIN) for each in found] == [
        ("available", "", 0),
        ("away", "lunch", 60),
        ("available", "", 600),
        ("offline", "", 900),
    ]


@pytest.mark.parametrize(
    "case", [each for each in golden_cases() if each.form == "queue_log"], ids=lambda each: each.name
)
def test_the_fast_way_of_known_rows(case: GoldenCase) -> None:
    """A row that is mapped fast gives the bytes that it gives slowly; one that is refused is never mapped fast."""
    for line in (1, 77):
        _same(case.payload.body, line, case.account)


_NAMES: Final = st.sampled_from(["q-1", "support", "NONE", "", " x", "jonö", 'a"b', "a\\b", "x" * 70, "Sales Team"])
_CALLS: Final = st.sampled_from([f"{BEGIN}.1", "pbx-1.2", "NONE", "MANAGER", "", "a b", "ä", "x" * 120])
_AGENTS: Final = st.sampled_from(["SIP/101", "NONE", "Anna Example", "SIP/999", "Local/1@x/n", "0401234567", ""])
_TIMES: Final = st.sampled_from([str(BEGIN), str(BEGIN + 1), "0", "9999999999", "99999999999", "x", "", "٣", " 1"])
_EVENTS: Final = st.sampled_from(
    [
        *("ENTERQUEUE", "CONNECT", "COMPLETEAGENT", "COMPLETECALLER", "RINGNOANSWER", "ABANDON", "EXITEMPTY"),
        *("EXITWITHTIMEOUT", "EXITWITHKEY", "WITHDRAW", "PAUSE", "BLINDTRANSFER", "DID", "", "connect"),
    ]
)
_WORDS: Final = st.sampled_from(["", "1", "15000", "0401234567", "anonymous", "+358 40", "a" * 40, "ä", "\t", '"'])
ROWS: Final = st.tuples(_TIMES, _CALLS, _NAMES, _AGENTS, _EVENTS, st.lists(_WORDS, max_size=4)).map(
    lambda row: "|".join([*row[:5], *row[5]])
)


@given(st.lists(ROWS, min_size=1, max_size=8), st.booleans())
def test_the_fast_way_of_any_rows(rows: list[str], keyed: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever rows come, the fast way gives the same bytes or leaves them to the slow one."""
    account = ACCOUNT if keyed else ACCOUNT._replace(pseudonym_key=SecretStr(""))
    fast = fast_rows(account)
    for line, row in enumerate(rows):
        _same(row.encode(), line, account, fast)


def _same(row: bytes, line: int, account: AccountRules, fast: Any = None) -> None:  # noqa: ANN401 - made above
    found = (fast or fast_rows(account))(row, line)
    if found is not None:
        slow = map_payload(ADAPTER, "queue_log", Payload(row, line=line), account)
        assert found == slow.records


def test_most_rows_go_the_fast_way() -> None:
    """The rows that calls are made of are mapped fast: an import of years depends on it."""
    fast = fast_rows(ACCOUNT)
    rows = [row for name, (rows, _) in STORIES.items() if "transfer" not in name for row in rows]
    assert [row for row in rows if fast(row.encode(), 1) is None] == []


#: What a queue log can carry of the simulator's events.
_CARRIED: Final = frozenset({"queued", "connected", "disconnected", "transferred", "abandoned", "dequeued", "missed"})
_COMPARED: Final = (
    "offered",
    "entered",
    "queue_wait",
    "first_response",
    "abandoned",
    "handle",
    "missed",
    "transferred",
)
_EXITS: Final = {"timeout": "EXITWITHTIMEOUT|1|1|9", "overflow": "EXITEMPTY|1|1|9", "callback": "EXITWITHKEY|1|1|1|9"}


def _calls_of_a_day() -> list[list[dict[str, Any]]]:
    """Simulate a day; give each queued call's events that a queue log can carry, at whole seconds."""
    tuesday = int(datetime(2026, 3, 3, tzinfo=UTC).timestamp() * 1000)
    calls: dict[str, list[dict[str, Any]]] = {}
    for order, each in enumerate(simulate(Plan(tuesday, rate=0.5, seed=3, lasts_ms=86_400_000))):
        event = orjson.loads(each.value)
        kind = event["type"].removeprefix("contact.")
        if each.topic == CONTACTS["call"] and kind in _CARRIED:
            at = milliseconds(event["occurred_at"]) // 1000 * 1000
            calls.setdefault(event["contact_id"], []).append({**event, "ms": at, "order": order})
    return [call for call in calls.values() if any(event["type"] == "contact.queued" for event in call)]


def _truth(call: list[dict[str, Any]]) -> Events:
    """Give the events as they were, with the call's start at its first queue, which is all that the log knows."""
    first = next(place for place, event in enumerate(call) if event["type"] == "contact.queued")
    kept = call[first:]
    begun = {**kept[0], "type": "contact.started", "event_id": "started"}
    return [
        {
            **{name: value for name, value in event.items() if name not in {"ms", "order", "team", "voids"}},
            "occurred_at": rfc3339(event["ms"]),
            "seq": event["order"],
        }
        for event in (begun, *kept)
    ]


def _written(call: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Write a call's rows as Asterisk would, each with its order among all."""
    rows: list[tuple[int, str]] = []
    queue, agent, begun = "", "NONE", False
    for event in call:
        kind, at, queue_now = event["type"].removeprefix("contact."), event["ms"] // 1000, event.get("queue", queue)
        begun = begun or kind == "queued"
        if not begun:
            continue
        by = f"SIP/{event['agent_id'].rsplit('-', 1)[-1]}" if "agent_id" in event else agent
        if kind == "disconnected" and by == "NONE":  # who waits for a call back hangs up: nothing is written of that
            continue
        named = by if kind in {"connected", "disconnected", "transferred", "missed"} else "NONE"
        of_queue = queue if kind == "transferred" else queue_now
        text = {
            "queued": "ENTERQUEUE||0401234567|1",
            "connected": "CONNECT|1|x.1|1",
            "disconnected": "COMPLETECALLER|1|1|1",
            "transferred": "BLINDTRANSFER|600|internal|1|1|1",
            "abandoned": "ABANDON|1|1|1",
            "dequeued": _EXITS.get(event.get("reason", ""), "WITHDRAW|1|1|9|"),
            "missed": "RINGNOANSWER|15000",
        }[kind]
        rows.append((2 * event["order"], f"{at}|{event['contact_id']}|{of_queue}|{named}|{text}"))
        if kind == "transferred" and queue_now != queue:
            rows.append((2 * event["order"] + 1, f"{at}|{event['contact_id']}|{queue_now}|NONE|ENTERQUEUE||1|1"))
        queue, agent = queue_now, by if kind == "connected" else agent
    return rows


def _compared(rows: Iterable[Mapping[str, Any]]) -> Counter[tuple[Any, ...]]:
    return Counter(
        (row["sample"], row["queue"], row["value_ms"], row["at"], row["agent_id"].rsplit("/", 1)[-1].rsplit("-", 1)[-1])
        for row in rows
        if row["sample"] in _COMPARED
    )


def test_a_made_day() -> None:
    """A simulated day, written as a queue log and mapped back, has the samples that it had, to the second."""
    calls = _calls_of_a_day()
    rows = [row for _, row in sorted(each for call in calls for each in _written(call))]
    assert len(rows) > 1000
    mapped_back = [{**event} for event in events_of(rows) if event["type"] != "agent.status"]
    told = folded([event for call in calls for event in _truth(call)], Rules())
    found, wanted = _compared(folded(mapped_back, Rules())), _compared(told)
    assert {sample for sample, *_ in wanted} == set(_COMPARED)
    assert found == wanted, (list((found - wanted).items())[:5], list((wanted - found).items())[:5])
