"""The floor's rules and those of Pulssi itself, silences and maintenance."""

from typing import Final

import pytest

from schemas.alert_rules import AlertRules, FloorRule, Maintenance, PipelineRules
from schemas.alerts import Alert, Command, CostlyContact, Dimensions, EndSilence, Measurement, Silence
from schemas.calendars import Calendar, Hours, Span
from schemas.policies import Rules
from streams.alerts import floor_rules, pipeline_rules
from streams.alerts.floor_rules import Floor
from streams.alerts.observation import Observation, alert_key
from streams.alerts.pipeline_rules import PartReading, PipelineReading
from streams.alerts.silences import in_force, matches
from streams.live.gauges import GaugeReading
from streams.live.live_agents import AgentsReading, Slots
from tests.oracle.contacts import milliseconds as ms

NOON: Final = ms("2026-06-02T12:00Z")
MINUTE: Final = 60_000
RULES: Final = Rules()
OFFICE: Final = Calendar("office", (Hours("UTC", ((Span(480, 960),),) * 7),))
WEEKDAYS: Final = Calendar("weekdays", (Hours("Europe/Helsinki", (((Span(480, 960),),) * 5 + ((), ()))),))


def _waiting(channel: str, queue: str) -> tuple[CostlyContact, ...]:
    assert channel == "call"
    return (CostlyContact(contact_id=f"of {queue}", channel="call", queue=queue, value_ms=1),)


def _floor(waiting: int, waits_ms: int = 0, free: int | None = None, available: int | None = None) -> Floor:
    gauge = GaugeReading(waiting, NOON - waits_ms if waiting else None)
    slots = () if free is None else (Slots("call", 5, 1, free, 0),)
    agents: dict[str | None, AgentsReading] = (
        {} if available is None else {None: AgentsReading({"available": available}, slots, 0)}
    )
    return Floor({("call", "billing"): gauge, ("call", None): gauge, (None, None): gauge}, agents, _waiting)


def _seen(
    rule: FloorRule,
    floor: Floor,
    now: int = NOON,
    rules: Rules = RULES,
    watched: tuple[str, ...] = (),
) -> list[Observation]:
    found = floor_rules.observations(floor, rules, AlertRules(floor=(rule,)), now, watched)
    assert all(key == seen.key for key, seen in found.items())
    return list(found.values())


@pytest.mark.parametrize(
    ("condition", "limit", "floors"),
    [
        ("longest_wait", 300_000, (_floor(1, 300_001), _floor(1, 300_000), _floor(1, 270_000))),
        ("waiting", 20, (_floor(20), _floor(19), _floor(18))),
    ],
)
def test_beyond_between_and_clear(condition: str, limit: int, floors: tuple[Floor, ...]) -> None:
    """Above the limit, within a tenth of it, and better; what is clear is told to who watches."""
    rule = FloorRule("r", condition, limit)  # type: ignore[arg-type]  # a text from the table
    key = alert_key("floor", "r", "call", "billing")
    beyond, between, clear = (_seen(rule, floor, watched=(key,)) for floor in floors)
    verdicts = [(seen.beyond, seen.clear) for seen in (*beyond, *between, *clear)]
    assert verdicts == [(True, False), (False, False), (False, True)]
    assert _seen(rule, floors[2]) == []
    (seen,) = beyond
    assert (seen.dimensions, seen.hold_ms) == (Dimensions(channel="call", queue="billing"), MINUTE)
    assert [each.contact_id for each in seen.contacts] == ["of billing"]


@pytest.mark.parametrize(
    ("floor", "beyond"),
    [
        (_floor(1, free=0, available=3), True),
        (_floor(1, free=1, available=0), False),
        (_floor(0, free=0, available=0), False),
        (_floor(1, available=0), True),
        (_floor(1, available=2), False),
        (_floor(1), False),
    ],
)
def test_nobody_available(floor: Floor, *, beyond: bool) -> None:
    """By free slots, else by agents who are available; without any agent that is known it is not judged."""
    rule = FloorRule("r", "nobody_available")
    assert [seen.beyond for seen in _seen(rule, floor)] == ([True] if beyond else [])
    assert _seen(rule._replace(group="nights"), floor) == []


def test_where_and_when_the_floor_is_judged() -> None:
    """By channel and queue, and while the queue is open, or always."""
    floor, rule = _floor(5), FloorRule("r", "waiting", 5)
    rules = Rules(calendar=OFFICE)
    assert len(_seen(rule, floor)) == len(_seen(rule._replace(channel="call", queue="billing"), floor)) == 1
    assert _seen(rule._replace(channel="chat"), floor) == _seen(rule._replace(queue="support"), floor) == []
    assert len(_seen(rule, floor, NOON, rules)) == 1
    evening = NOON + 5 * 3_600_000
    assert _seen(rule, floor, evening, rules) == []
    assert len(_seen(rule._replace(always=True), floor, evening, rules)) == 1


def _pipeline(reading: PipelineReading, now: int = NOON, calendar: Calendar | None = OFFICE) -> dict[str, str]:
    """Tell of each cause whether it is beyond, clear or neither."""
    found = pipeline_rules.observations(reading, PipelineRules(), calendar, 0.1, now)
    return {seen.rule: "beyond" if seen.beyond else "clear" if seen.clear else "between" for seen in found.values()}


def test_no_events_although_the_calendar_is_open() -> None:
    """Counted in open time: not at night, and in the morning again from yesterday's last event on."""
    reading = PipelineReading(last_event_at={"call": NOON - 30 * MINUTE, "chat": NOON - 29 * MINUTE})
    told = _pipeline(reading)
    assert (told["no_events call"], told["no_events chat"]) == ("beyond", "clear")
    assert not any("no_events" in key for key in _pipeline(reading, calendar=None))
    assert not any("no_events" in key for key in _pipeline(reading, ms("2026-06-02T20:00Z")))
    evening = PipelineReading(last_event_at={"call": ms("2026-06-01T15:50Z")})
    assert _pipeline(evening, ms("2026-06-02T08:19Z"))["no_events call"] == "clear"
    assert _pipeline(evening, ms("2026-06-02T08:20Z"))["no_events call"] == "beyond"


@pytest.mark.parametrize(
    ("last", "judged"),
    [
        ("2020-01-02T10:00Z", False),  # an import of long ago
        ("2026-05-21T15:00Z", False),  # seven open days went by
        ("2026-05-22T10:00Z", True),
        ("2026-06-02T10:00Z", True),
    ],
)
def test_a_channel_is_in_use_until_seven_open_days_went_by_without_an_event(last: str, *, judged: bool) -> None:
    """One old event that was imported calls nobody. It is a Tuesday."""
    told = _pipeline(PipelineReading(last_event_at={"call": ms(last)}), calendar=WEEKDAYS)
    assert ("no_events call" in told) == judged


def test_closed_days_do_not_put_a_channel_out_of_use() -> None:
    """After three weeks in which the centre was closed its channels are expected to have events."""
    after = Hours("UTC", OFFICE.hours[0].week, valid_from="2026-06-02")
    closed = Hours("UTC", ((),) * 7, valid_from="2026-05-12")
    holidays = Calendar("office", (OFFICE.hours[0], closed, after))
    reading = PipelineReading(last_event_at={"call": ms("2026-05-11T10:00Z")})
    assert _pipeline(reading, calendar=holidays)["no_events call"] == "beyond"


def test_parts_behind_and_away() -> None:
    """A part that is away says nothing of how far it is behind."""
    parts = {
        "worker": PartReading(NOON - 1_000, 60_000),
        "sink": PartReading(NOON - 1_000, 55_000),
        "wallboard": PartReading(NOON - 30_000, 99_000),
    }
    assert _pipeline(PipelineReading(parts)) == {
        "part_away worker": "clear",
        "part_behind worker": "beyond",
        "part_away sink": "clear",
        "part_behind sink": "between",
        "part_away wallboard": "beyond",
        "dead_letters contacts.dlq": "clear",
    }


@pytest.mark.parametrize(("letters", "told"), [(10, "beyond"), (9, "clear"), (0, "clear")])
def test_dead_letters(letters: int, told: str) -> None:
    """So many in so much time."""
    assert _pipeline(PipelineReading(dead_letters=letters))["dead_letters contacts.dlq"] == told


def _silence(silence_id: str, at: int, until: int) -> Silence:
    return Silence(type="silence", at=at, by="ann", silence_id=silence_id, until=until)


def test_silences_in_force() -> None:
    """From their beginning to their end, or until somebody ends them; maintenance by calendar or by times."""
    commands: list[Command] = [
        _silence("a", NOON, NOON + MINUTE),
        _silence("b", NOON, NOON + MINUTE),
        EndSilence(type="end_silence", at=NOON + 10, by="bo", silence_id="b"),
        _silence("c", NOON + 20, NOON + MINUTE),
    ]
    maintenance = [
        Maintenance("nights", OFFICE, while_open=False),
        Maintenance("days", OFFICE),
        Maintenance("move", since=NOON + 30, until=NOON + 40),
    ]

    def at(now: int) -> list[str]:
        return [each.silence_id for each in in_force(commands, maintenance, now)]

    assert at(NOON) == ["a", "b", "maintenance days"]
    assert at(NOON + 10) == ["a", "maintenance days"]
    assert at(NOON + 30) == ["a", "c", "maintenance days", "maintenance move"]
    assert at(NOON + 40) == ["a", "c", "maintenance days"]
    assert at(NOON + 8 * 3_600_000) == ["maintenance nights"]


def test_what_a_silence_matches() -> None:
    """Every field that it gives."""
    alert = Alert(
        key="k",
        sequence=1,
        kind="floor",
        condition="waiting",
        rule="r",
        severity="warning",
        dimensions=Dimensions(channel="call", queue="billing"),
        state="firing",
        reason="first",
        at=0,
        pending_since=0,
        measured=Measurement(value=1, limit=1, unit="count"),
    )
    every = _silence("s", 0, 1)
    assert matches(every, alert)
    for field, fits, other in (
        ("rule", "r", "q"),
        ("kind", "floor", "contact"),
        ("dimensions", Dimensions(queue="billing"), Dimensions(queue="support")),
        ("dimensions", Dimensions(channel="call", queue="billing"), Dimensions(channel="call", contact_id="x")),
    ):
        assert matches(every.model_copy(update={field: fits}), alert)
        assert not matches(every.model_copy(update={field: other}), alert)
