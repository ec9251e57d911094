"""The states of alerts: against a plain batch judge for any course, and each rule by itself."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.alert_rules import Timing
from schemas.alerts import (
    HISTORY_AT_MOST,
    Acknowledge,
    Alert,
    Condition,
    Dimensions,
    Kind,
    Measurement,
    Severity,
    Silence,
    alert_id,
    decode_alert,
)
from streams.alerts.known_alerts import KnownAlerts
from streams.alerts.lifecycle import changes, is_notified
from streams.alerts.observation import Observation
from tests.depth import examples
from tests.oracle.alerts import Moment, Sight, Times, Told, records

SECOND: Final = 1_000
MINUTE: Final = 60_000
T0: Final = 1_773_559_200_000
TIMING: Final = Timing(
    least_firing_ms=MINUTE, least_resolved_ms=2 * MINUTE, reminder_ms=5 * MINUTE, keep_ms=10 * MINUTE
)
TIMES: Final = Times(MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE)
KINDS: Final[dict[str, tuple[Kind, int]]] = {
    "contact": ("contact", 0),
    "objective": ("objective", 30_000),
    "floor": ("floor", 0),
    "pipeline": ("pipeline", 10_000),
}


def seen(
    key: str, *, beyond: bool = True, clear: bool | None = None, worse: bool = False, value: float = 1
) -> Observation:
    """Observe the cause of one kind."""
    kind, hold_ms = KINDS[key]
    condition: Condition = "breached" if worse else "at_risk"
    severity: Severity = "critical" if worse else "warning"
    return Observation(
        key=key,
        kind=kind,
        condition=condition,
        rule="rule",
        severity=severity,
        dimensions=Dimensions(channel="chat", queue=key),
        measured=Measurement(value=value, limit=1, unit="count"),
        beyond=beyond,
        clear=not beyond if clear is None else clear,
        hold_ms=hold_ms,
    )


def silence(key: str, by: str = "ann") -> Silence:
    """Silence one cause."""
    return Silence(type="silence", at=0, by=by, silence_id=f"s-{key}", until=2**53, dimensions=Dimensions(queue=key))


class Engine:
    """Judges from the newest records alone, as after a restart."""

    def __init__(self, timing: Timing = TIMING) -> None:
        self.timing = timing
        self.log: list[Alert] = []
        self.newest = KnownAlerts()
        self.acknowledged: dict[str, Acknowledge] = {}

    def judge(
        self, now: int, *observations: Observation, held: bool = False, silences: tuple[Silence, ...] = ()
    ) -> list[Alert]:
        """Judge once."""
        found = changes(
            self.newest,
            {each.key: each for each in observations},
            now,
            self.timing,
            held=held,
            silences=silences,
            acknowledgements=self.acknowledged,
        )
        self.log += found
        self.newest.apply(found)
        self.newest.forget(self.newest.forgotten(now, self.timing.keep_ms))
        return found

    def restart(self) -> None:
        """Forget all but the records as they are written."""
        self.newest = KnownAlerts(decode_alert(alert.model_dump_json().encode()) for alert in self.newest.values())

    def acknowledge(self, key: str, by: str) -> None:
        """Acknowledge the alert that a key has now."""
        alert_id = self.newest[key].id
        self.acknowledged[alert_id] = Acknowledge(type="acknowledge", at=1, by=by, alert_id=alert_id)


def told(alert: Alert) -> Told:
    """Give what matters of a record."""
    names = alert.id, alert.condition, alert.severity, alert.held, alert.notified, alert.silenced_by
    return Told(alert.at, alert.key, alert.sequence, alert.state, alert.reason, *names, alert.acknowledged_by)


class Drawn(NamedTuple):
    """One judgement as Hypothesis draws it."""

    passed: int
    sights: Mapping[str, tuple[str, bool]]
    old: bool
    quiet: frozenset[str]
    acknowledge: str | None
    again: int


DRAWN: Final = st.builds(
    Drawn,
    passed=st.sampled_from([SECOND, 10 * SECOND, 30 * SECOND, MINUTE, 3 * MINUTE, 12 * MINUTE]),
    sights=st.dictionaries(
        st.sampled_from(sorted(KINDS)),
        st.tuples(st.sampled_from(["beyond", "beyond", "between", "clear"]), st.booleans()),
    ),
    old=st.sampled_from([False, False, False, True]),
    quiet=st.frozensets(st.sampled_from(sorted(KINDS)), max_size=2),
    acknowledge=st.none() | st.sampled_from(sorted(KINDS)),
    again=st.integers(0, 3),
)


@settings(max_examples=examples(400))
@given(drawn=st.lists(DRAWN, max_size=25))
def test_any_course_with_restarts_and_repetitions_equals_a_plain_batch(drawn: list[Drawn]) -> None:
    """Judged from its own records after any judgement, and twice at a time, the records are those of one pass."""
    engine, now, course = Engine(), T0, []
    for each in drawn:
        now += each.passed
        if each.acknowledge in engine.newest and engine.newest[each.acknowledge or ""].id:
            engine.acknowledge(each.acknowledge or "", "bo")
        observed = [
            seen(key, beyond=how == "beyond", clear=how == "clear", worse=worse)
            for key, (how, worse) in each.sights.items()
        ]
        silences = tuple(silence(key) for key in sorted(each.quiet))
        engine.judge(now, *observed, held=each.old, silences=silences)
        if each.again % 2:
            engine.restart()
        if each.again >= 2:
            assert engine.judge(now, *observed, held=each.old, silences=silences) == []
        sights = {
            one.key: Sight(one.beyond, one.clear, one.kind, one.condition, one.severity, one.hold_ms)
            for one in observed
        }
        acknowledged = {alert: ack.by for alert, ack in engine.acknowledged.items()}
        course.append(Moment(now, sights, each.old, {key: f"s-{key}" for key in each.quiet}, acknowledged))
    assert [told(alert) for alert in engine.log] == records(course, TIMES)
    for alert in engine.log:
        assert alert.history[-1] == alert.history[-1].model_copy(update={"at": alert.at, "state": alert.state})
        assert not alert.id or alert.id == alert_id(alert.key, alert.fired_at or 0)


def _reasons(alerts: list[Alert]) -> list[tuple[str, str, bool]]:
    return [(alert.state, alert.reason, is_notified(alert)) for alert in alerts]


def test_a_cause_has_to_hold_before_it_fires() -> None:
    """A break makes it start again; what never fired is told to nobody."""
    engine = Engine()
    engine.judge(T0, seen("objective"))
    engine.judge(T0 + 29 * SECOND, seen("objective"))
    engine.judge(T0 + 30 * SECOND, seen("objective", beyond=False, clear=False))
    engine.judge(T0 + 31 * SECOND, seen("objective"))
    engine.judge(T0 + 60 * SECOND, seen("objective"))
    engine.judge(T0 + 61 * SECOND, seen("objective", value=7))
    assert _reasons(engine.log) == [
        ("pending", "first", False),
        ("resolved", "resolved", False),
        ("pending", "first", False),
        ("firing", "first", True),
    ]
    fired = engine.log[-1]
    assert (fired.pending_since, fired.fired_at, fired.sequence) == (T0 + 31 * SECOND, T0 + 61 * SECOND, 4)
    assert fired.measured.value == 7
    assert [alert.id for alert in engine.log] == ["", "", "", alert_id("objective", T0 + 61 * SECOND)]


def test_hysteresis_and_least_times() -> None:
    """Neither better nor worse keeps it firing; it resolves after its least time, and rests before the next."""
    engine = Engine()
    engine.judge(T0, seen("floor"))
    assert engine.judge(T0 + 30 * SECOND, seen("floor", beyond=False)) == []
    assert engine.judge(T0 + 70 * SECOND, seen("floor", beyond=False, clear=False)) == []
    assert _reasons(engine.judge(T0 + 71 * SECOND)) == [("resolved", "resolved", True)]
    assert engine.judge(T0 + 190 * SECOND, seen("floor")) == []
    assert _reasons(engine.judge(T0 + 191 * SECOND, seen("floor"))) == [("firing", "first", True)]
    assert [alert.sequence for alert in engine.log] == [1, 2, 3]
    assert len({alert.id for alert in engine.log}) == 2


def test_a_contact_fires_and_resolves_at_once() -> None:
    """From at risk to breached is one alert that changes; an answer ends it in the same second."""
    engine = Engine()
    engine.judge(T0, seen("contact"))
    engine.judge(T0 + SECOND, seen("contact", worse=True))
    engine.judge(T0 + 2 * SECOND)
    engine.judge(T0 + 3 * SECOND, seen("contact"))
    assert [(alert.condition, alert.reason) for alert in engine.log] == [
        ("at_risk", "first"),
        ("breached", "changed"),
        ("breached", "resolved"),
        ("at_risk", "first"),
    ]
    assert engine.log[1].severity == "critical"
    assert len({alert.id for alert in engine.log[:3]}) == 1


def test_a_contact_that_is_not_settled_begins_nothing_and_what_fires_goes_on() -> None:
    """Its answer may be on the way; an alert that fires is neither held nor resolved by that."""
    engine = Engine()
    unsettled = seen("contact")._replace(settled=False)
    engine.judge(T0, unsettled)
    assert engine.log == []
    engine.judge(T0 + SECOND, seen("contact"))
    engine.judge(T0 + 2 * SECOND, unsettled)
    engine.judge(T0 + 3 * SECOND)
    engine.judge(T0 + 4 * SECOND, unsettled)
    assert [(alert.state, alert.reason, alert.held) for alert in engine.log] == [
        ("firing", "first", False),
        ("resolved", "resolved", False),
    ]


def test_old_figures_hold_all_but_the_pipeline() -> None:
    """Marked once and released once; what is pending holds again after it, what fires is not resolved by silence."""
    engine = Engine()
    engine.judge(T0, seen("floor"), seen("objective"))
    engine.judge(T0 + 2 * MINUTE, seen("pipeline"), held=True)
    engine.judge(T0 + 3 * MINUTE, seen("pipeline"), seen("contact"), held=True)
    held = [(alert.key, alert.state, alert.reason) for alert in engine.log[2:]]
    assert held == [
        ("floor", "firing", "held"),
        ("objective", "pending", "held"),
        ("pipeline", "pending", "first"),
        ("pipeline", "firing", "first"),
    ]
    engine.judge(T0 + 4 * MINUTE, seen("floor"), seen("objective"))
    engine.judge(T0 + 5 * MINUTE, seen("floor"), seen("objective"))
    after = [(alert.key, alert.state, alert.reason, alert.held) for alert in engine.log[6:]]
    assert after == [
        ("floor", "firing", "released", False),
        ("objective", "pending", "released", False),
        ("pipeline", "resolved", "resolved", False),
        ("floor", "firing", "reminder", False),
        ("objective", "firing", "first", False),
    ]


def test_a_resolution_is_told_if_and_only_if_the_firing_was() -> None:
    """Silenced from the beginning: neither; silenced later: the resolution also in silence."""
    engine = Engine()
    engine.judge(T0, seen("floor"), silences=(silence("floor"),))
    engine.judge(T0 + MINUTE, silences=(silence("floor"),))
    assert _reasons(engine.log) == [("firing", "first", False), ("resolved", "resolved", False)]
    engine = Engine()
    engine.judge(T0, seen("floor"))
    engine.judge(T0 + SECOND, seen("floor"), silences=(silence("floor"),))
    engine.judge(T0 + MINUTE, silences=(silence("floor"),))
    assert _reasons(engine.log) == [
        ("firing", "first", True),
        ("firing", "silenced", False),
        ("resolved", "resolved", True),
    ]
    assert engine.log[1].history[-1].by == "ann"


def test_at_a_silences_end_what_still_fires_is_notified() -> None:
    """And what is over by then is not."""
    engine = Engine()
    engine.judge(T0, seen("floor"), seen("objective"), silences=(silence("floor"), silence("objective")))
    engine.judge(T0 + MINUTE, seen("floor"), seen("objective"), silences=(silence("floor"), silence("objective")))
    engine.judge(T0 + 2 * MINUTE, seen("floor"))
    ended = [(alert.key, alert.reason, is_notified(alert)) for alert in engine.log if alert.at == T0 + 2 * MINUTE]
    assert ended == [("floor", "unsilenced", True), ("objective", "resolved", False)]
    assert _reasons(engine.judge(T0 + 3 * MINUTE)) == [("resolved", "resolved", True)]


@pytest.mark.parametrize("acknowledged", [False, True])
def test_reminders_stop_with_an_acknowledgement(*, acknowledged: bool) -> None:
    """By name, of this firing alone."""
    engine = Engine()
    engine.judge(T0, seen("floor"))
    if acknowledged:
        engine.acknowledge("floor", "bo")
    for minute in range(1, 16):
        engine.judge(T0 + minute * MINUTE, seen("floor", value=minute))
    reminders = [alert.at for alert in engine.log if alert.reason == "reminder"]
    assert reminders == ([] if acknowledged else [T0 + minute * MINUTE for minute in (5, 10, 15)])
    assert engine.log[-1].acknowledged_by == ("bo" if acknowledged else None)
    engine.judge(T0 + 16 * MINUTE)
    engine.judge(T0 + 20 * MINUTE, seen("floor"))
    assert (engine.log[-1].state, engine.log[-1].acknowledged_by) == ("firing", None)


def test_an_alert_that_was_acknowledged_before_it_was_written_is_so_at_once() -> None:
    """An engine that fails to write judges the same second again: the same firing has the same id, and its people."""
    engine = Engine()
    again = alert_id("floor", T0)
    engine.acknowledged[again] = Acknowledge(type="acknowledge", at=1, by="bo", alert_id=again)
    found = engine.judge(T0, seen("floor"))
    assert [(each.state, each.reason, each.acknowledged_by) for each in found] == [
        ("firing", "first", None),
        ("firing", "acknowledged", "bo"),
    ]


def test_the_history_is_bounded() -> None:
    """The newest changes stay."""
    engine = Engine()
    for minute in range(0, 5 * HISTORY_AT_MOST + 25, 5):
        engine.judge(T0 + minute * MINUTE, seen("floor"))
    assert len(engine.log[-1].history) == HISTORY_AT_MOST
    assert engine.log[-1].history[-1].at == engine.log[-1].at


def test_a_reminder_does_not_come_early_because_much_happened() -> None:
    """When people were last told stays in the history, whatever else is left out of it."""
    engine = Engine()
    engine.judge(T0, seen("floor"))
    engine.judge(T0 + 5 * MINUTE, seen("floor"))
    for number in range(2 * HISTORY_AT_MOST):
        engine.judge(T0 + 5 * MINUTE + (number + 1) * SECOND, seen("floor"), held=not number % 2)
    assert len(engine.log[-1].history) == HISTORY_AT_MOST
    engine.judge(T0 + 10 * MINUTE, seen("floor"))
    reminders = [alert.at for alert in engine.log if alert.reason == "reminder"]
    assert reminders == [T0 + 5 * MINUTE, T0 + 10 * MINUTE]


def test_a_contact_that_is_passed_on_takes_its_alert_along() -> None:
    """It is told of the queue where it waits now, and its silence is that of this queue."""
    engine = Engine()
    engine.judge(T0, seen("contact"))
    moved = seen("contact")._replace(dimensions=Dimensions(channel="chat", queue="other"))
    (changed,) = engine.judge(T0 + SECOND, moved)
    assert (changed.reason, changed.dimensions.queue, is_notified(changed)) == ("changed", "other", True)
    assert engine.judge(T0 + 2 * SECOND, moved) == []
    (quiet,) = engine.judge(T0 + 3 * SECOND, moved, silences=(silence("other"),))
    assert (quiet.reason, quiet.silenced_by) == ("silenced", "s-other")


def test_what_is_over_is_forgotten() -> None:
    """After its keep time; the next alert of the key begins at 1."""
    engine = Engine()
    engine.judge(T0, seen("floor"))
    engine.judge(T0 + MINUTE)
    engine.judge(T0 + 11 * MINUTE - 1)
    assert set(engine.newest) == {"floor"}
    engine.judge(T0 + 11 * MINUTE)
    assert not engine.newest
    engine.judge(T0 + 12 * MINUTE, seen("floor"))
    assert engine.log[-1].sequence == 1


def test_a_clock_that_is_set_back_holds_nothing_up() -> None:
    """What was done at a time that lies ahead is long past; records stay in order, and reminders do not run wild."""
    engine, back = Engine(), T0 - 60 * MINUTE
    engine.judge(T0, seen("floor"), seen("objective"), seen("contact"))
    fires = engine.judge(back, seen("floor"), seen("objective"))
    assert [(alert.key, alert.state) for alert in fires] == [
        *(("contact", "resolved"), ("floor", "firing"), ("objective", "firing")),
    ]
    assert all(alert.at == T0 for alert in fires)
    assert engine.judge(back + SECOND, seen("floor"), seen("objective")) == []
    assert _reasons(engine.judge(back + 2 * MINUTE)) == [("resolved", "resolved", True)] * 2
    begins = engine.judge(back + 5 * MINUTE, seen("floor"))
    assert [(alert.state, alert.at, alert.fired_at) for alert in begins] == [("firing", T0, back + 5 * MINUTE)]


def test_what_was_resolved_is_named_until_it_is_forgotten() -> None:
    """One that fires again in between stays; a judgement that is not written names the same again."""
    engine = Engine()
    engine.judge(T0, seen("floor"), seen("objective"))
    engine.judge(T0 + MINUTE)
    engine.judge(T0 + 5 * MINUTE, seen("floor"))
    assert engine.newest.forgotten(T0 + 11 * MINUTE, engine.timing.keep_ms) == ["objective"]
    assert engine.newest.forgotten(T0 + 11 * MINUTE, engine.timing.keep_ms) == ["objective"]
    engine.newest.forget(["objective"])
    assert set(engine.newest) == set(engine.newest.live) == {"floor"}
    assert engine.newest.forgotten(T0 + 60 * MINUTE, engine.timing.keep_ms) == []
