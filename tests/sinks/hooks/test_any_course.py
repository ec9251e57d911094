"""Whatever happens, and wherever engine and deliverer die: the topic has what a plain batch says, and all is told.

The processes run as they are, on a Kafka, receivers and a clock that are modelled (`modelled_centre`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.alert_rules import AlertRules, Attainment, BurnRate, FloorRule, Timing
from schemas.alerts import ALERTS, Alert, Dimensions, Silence
from schemas.configuration.hook_models import Filter
from schemas.policies import Policy, Rules
from schemas.topics import CONTACTS
from sinks.hooks.signing import webhook_id
from streams import times
from streams.journal.step_assembly import Step, StepAssembly
from tests.depth import examples
from tests.oracle.alert_sights import Call, House, Limit, Pair, Promise
from tests.oracle.alerts import Times, Told, records
from tests.sinks.hooks.lives import Fate, How
from tests.sinks.hooks.made import destination
from tests.sinks.hooks.modelled_centre import live_through, patch
from tests.sinks.hooks.modelled_world import Course, World
from tests.sinks.hooks.virtual_time import BEGINS_MS
from tests.streams.records import Record, opened

SECOND: Final = 1_000
MINUTE: Final = 60_000
LASTS_S: Final = 240.0
QUEUES: Final = ("sales", "billing")
#: Calls come between two judgements, never at one.
_BETWEEN_MS: Final = 300

TIMES: Final = Times(20 * SECOND, 15 * SECOND, 60 * SECOND, 90 * SECOND)
HOUSE: Final = House(
    promise=Promise("call-40s", 40 * SECOND, 10 * SECOND, Fraction(4, 5), 3 * MINUTE, 3),
    pairs=(Pair("now", 2 * MINUTE, MINUTE, Fraction(2), 2, 1, "critical"),),
    limits=(
        Limit("long wait", "longest_wait", 60 * SECOND, 10 * SECOND, "warning"),
        Limit("many wait", "waiting", 3, 5 * SECOND, "critical"),
    ),
    hold_ms=10 * SECOND,
    hysteresis=Fraction(1, 10),
)
RULES: Final = (
    Rules(
        policies=(
            Policy(
                "call-40s",
                "first_response",
                40 * SECOND,
                0.8,
                channel="call",
                warning_ms=10 * SECOND,
                formula="offered",
                window_ms=3 * MINUTE,
                min_volume=3,
            ),
        )
    ),
    AlertRules(
        burn_rates=(BurnRate("now", 2.0, 2 * MINUTE, MINUTE, 2, 1, "critical"),),
        attainment=Attainment(severity="warning"),
        floor=(
            FloorRule("long wait", "longest_wait", 60 * SECOND, hold_ms=10 * SECOND),
            FloorRule("many wait", "waiting", 3, hold_ms=5 * SECOND, severity="critical"),
        ),
        timing=Timing(
            hold_ms=10 * SECOND,
            least_firing_ms=TIMES.least_firing,
            least_resolved_ms=TIMES.least_resolved,
            reminder_ms=TIMES.reminder,
            keep_ms=TIMES.keep,
        ),
    ),
)
_ANYBODY: Final = destination("http://127.0.0.1:1/", name="all")
_CRITICAL: Final = destination("http://127.0.0.1:2/", name="critical sales")._replace(
    filter=Filter(severities=["critical"], queues=["sales"])
)
_ENDS: Final = destination("http://127.0.0.1:3/", name="over")._replace(filter=Filter(states=["resolved"]))
TO: Final = (_ANYBODY, _CRITICAL, _ENDS)


def wants(name: str, alert: Alert) -> bool:
    """Tell whether a destination's filter has an alert; what is pending is told to nobody who does not ask for it."""
    if alert.state == "pending":
        return False
    if name == "critical sales":
        return alert.severity == "critical" and alert.dimensions.queue == "sales"
    return name == "all" or alert.state == "resolved"


@pytest.fixture(autouse=True, scope="module")
def _models() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        patch(monkeypatch)
        yield


class Drawn(NamedTuple):
    """A call as it is drawn, in seconds."""

    queue: str
    since_s: int
    waits_s: int | None
    answered: bool


def course(
    drawn: Iterable[Drawn],
    *,
    silences: Iterable[tuple[str, int, int]] = (),
    acknowledges: Iterable[int] = (),
    old: Iterable[tuple[int, int]] = (),
) -> Course:
    """Make a course of calls, and of what people do; all times are seconds from its beginning."""
    calls = tuple(
        Call(
            f"pbx:main:{number}",
            each.queue,
            at(each.since_s),
            None if each.waits_s is None else at(each.since_s + each.waits_s),
            each.answered,
        )
        for number, each in enumerate(drawn)
    )
    said = [
        Silence(
            type="silence",
            at=at(begin),
            by="Maija",
            silence_id=f"silence {number}",
            until=at(end),
            dimensions=Dimensions(queue=queue),
        )
        for number, (queue, begin, end) in enumerate(silences)
    ]
    acknowledged = tuple((at(second), f"person {number}") for number, second in enumerate(sorted(acknowledges)))
    is_old = tuple((at(begin), at(end)) for begin, end in old)
    return Course(calls, tuple(_steps(calls)), tuple(said), acknowledged, is_old, LASTS_S)


def at(second: int) -> int:
    """Give a time between two judgements."""
    return BEGINS_MS + second * SECOND + _BETWEEN_MS


def _steps(calls: Iterable[Call]) -> Iterator[tuple[int, Step]]:
    """Have a worker fold the events of calls: the steps of its journal, each at the time of its event."""
    events = [event for call in calls for event in _events(call)]
    partition, assembly, offset = opened(CONTACTS["call"], RULES[0]), StepAssembly(CONTACTS["call"], 0), 0
    for number, (moment, event) in enumerate(sorted(events, key=lambda each: each[0])):
        record = Record(number, event["contact_id"].encode(), json.dumps(event).encode(), topic=CONTACTS["call"])
        for output in partition.steps([record]):
            for key, value in output.records:
                offset += 1
                if (step := assembly.feed(offset, key, value)) is not None:
                    yield moment, step


def _events(call: Call) -> Iterator[tuple[int, dict[str, Any]]]:
    kinds: list[tuple[str, int, dict[str, str]]] = [
        ("contact.started", call.since, {}),
        ("contact.queued", call.since, {}),
    ]
    if call.until is not None:
        ends = ("contact.connected", {"agent_id": "a1"}) if call.answered else ("contact.abandoned", {})
        kinds.append((ends[0], call.until, ends[1]))
    for kind, moment, fields in kinds:
        own = {"type": kind, "contact_id": call.contact_id, "channel": "call", "source": "pbx", "queue": call.queue}
        named = {"event_id": f"{kind} {call.contact_id}", "occurred_at": times.at(moment).isoformat()}
        yield moment, {**own, **named, **fields}


def told(alert: Alert) -> Told:
    """Give what matters of a record."""
    names = alert.id, alert.condition, alert.severity, alert.held, alert.notified, alert.silenced_by
    return Told(alert.at, alert.key, alert.sequence, alert.state, alert.reason, *names, alert.acknowledged_by)


def check(world: World) -> None:
    """Compare the topic with the batch, and what receivers got with the topic."""
    changes = world.logs[ALERTS].changes()
    assert [told(alert) for _, alert in changes] == records(world.moments, TIMES)
    assert [each for each in world.deliveries() if each.status != "delivered"] == []
    for name, state in world.state().destinations.items():
        got = [each for each in world.got if each.destination == name]
        expected = list(_expected(name, changes, state.begins))
        assert {each.webhook_id for each in got} == {webhook for _, webhook in expected}
        assert len({(each.webhook_id, each.body) for each in got}) == len(expected), "a body changed"
        first = {webhook: place for place, webhook in reversed(list(enumerate(each.webhook_id for each in got)))}
        last: dict[str, int] = {}
        for key, webhook in expected:
            assert first[webhook] > last.get(key, -1), "a change overtook another of its alert"
            last[key] = first[webhook]


def _expected(name: str, changes: Sequence[tuple[int, Alert]], begins: int) -> Iterator[tuple[str, str]]:
    """Name what a destination has to be told: key and webhook id."""
    began = set[str]()
    for offset, alert in changes:
        quiet = not alert.notified if alert.state == "resolved" else alert.silenced_by is not None
        if offset < begins or quiet or alert.reason in {"held", "released", "silenced"} or not wants(name, alert):
            continue
        if alert.state != "resolved" or name == "over" or alert.id in began:
            began.add(alert.id)
            yield alert.key, webhook_id(alert, name)


@cache
def _busy() -> Course:
    """Give a course in which every rule fires, with a silence, an acknowledgement and old figures."""
    calls = [Drawn("sales", 8 + 4 * number, 20 + 11 * number, number % 3 > 0) for number in range(9)]
    calls += [Drawn("billing", 15 + 25 * number, 70 if number % 2 else None, True) for number in range(5)]
    return course(calls, silences=[("sales", 70, 120)], acknowledges=[130, 210], old=[(100, 112)])


@cache
def _deeds() -> Mapping[str, int]:
    world = live_through(_busy(), HOUSE, RULES, TO, {})
    check(world)
    return {part: lives[0].deeds for part, lives in world.lives.items()}


def test_the_course_has_all_that_may_happen() -> None:
    """Else dying in it would prove little."""
    world = live_through(_busy(), HOUSE, RULES, TO, {})
    check(world)
    changes = [alert for _, alert in world.logs[ALERTS].changes()]
    assert {alert.condition for alert in changes} == {
        *("at_risk", "breached", "attainment", "burn_rate", "longest_wait", "waiting"),
    }
    assert {alert.reason for alert in changes} == {
        *("first", "changed", "reminder", "resolved", "acknowledged", "held", "released", "silenced", "unsilenced"),
    }
    assert {each.destination for each in world.got} == {each.name for each in TO}
    assert all(len(lives) == 1 for lives in world.lives.values())


def test_an_alert_that_comes_again_as_it_would_be_forgotten_stays() -> None:
    """In the judgement in which its record would go: else it would fire once more, and its first firing never end."""
    first = [Drawn("sales", 10 + number, 60, answered=True) for number in range(3)]
    world = live_through(course(first), HOUSE, RULES, TO, {})
    own = [alert for _, alert in world.logs[ALERTS].changes() if alert.rule == "many wait"]
    forgotten_at = next(moment.now for moment in world.moments if moment.now >= own[-1].at + TIMES.keep)
    again = (forgotten_at - BEGINS_MS) // SECOND - 2
    world = live_through(course([*first, *[Drawn("sales", again, None, answered=False)] * 3]), HOUSE, RULES, TO, {})
    check(world)
    assert [alert.state for _, alert in world.logs[ALERTS].changes() if alert.at == forgotten_at] == ["pending"]


@pytest.mark.parametrize(
    ("part", "how", "tried"),
    [
        ("engine", "after", 8),
        ("deliverer", "stopped", 8),
        *(
            pytest.param(part, how, 1_000, marks=pytest.mark.long)
            for part in ("engine", "deliverer")
            for how in ("before", "after", "stopped")
        ),
    ],
)
def test_it_may_die_at_any_await(part: str, how: How, tried: int) -> None:
    """Before or after whatever it does, or be stopped in it while another one takes its place, and then go on.

    All awaits are tried by the long tests, some by the others.
    """
    deeds = _deeds()[part]
    assert deeds > 25
    for number in range(1, deeds + 1, max(1, deeds // tried)):
        world = live_through(_busy(), HOUSE, RULES, TO, {part: [Fate(number, how)]})
        assert len(world.lives[part]) >= 2 or number > deeds - 3, number
        assert world.sent_anew == 0, number
        check(world)


_CALLS: Final = st.builds(
    Drawn,
    queue=st.sampled_from(QUEUES),
    since_s=st.integers(7, 200),
    waits_s=st.none() | st.integers(5, 120),
    answered=st.booleans(),
)
_SPANS: Final = st.tuples(st.integers(10, 200), st.integers(5, 60)).map(lambda span: (span[0], span[0] + span[1]))
_FATES: Final = st.lists(
    st.builds(Fate, st.integers(1, 150), st.sampled_from(["before", "after", "stopped"])), max_size=4
)


@settings(
    max_examples=examples(90),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink a course takes longer than to read it
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    drawn=st.lists(_CALLS, min_size=3, max_size=14),
    silence=st.none() | st.tuples(st.sampled_from(QUEUES), _SPANS),
    acknowledges=st.lists(st.integers(20, 220), max_size=2, unique=True),
    old=st.none() | _SPANS,
    engine=_FATES,
    deliverer=_FATES,
)
def test_any_course_and_any_deaths_equal_a_plain_batch(
    drawn: list[Drawn],
    silence: tuple[str, tuple[int, int]] | None,
    acknowledges: list[int],
    old: tuple[int, int] | None,
    engine: list[Fate],
    deliverer: list[Fate],
) -> None:
    """Any calls, silences, acknowledgements and old figures; both processes die and are stopped as they will."""
    quiet = [] if silence is None else [(silence[0], *silence[1])]
    happens = course(drawn, silences=quiet, acknowledges=acknowledges, old=[] if old is None else [old])
    world = live_through(happens, HOUSE, RULES, TO, {"engine": engine, "deliverer": deliverer})
    assert world.sent_anew == 0
    check(world)
