"""What is stuck, what is said of it and how often: by a clock that the test moves."""

from pathlib import Path
from typing import Final

import pytest

from streams.monitoring.activities import (
    END_AFTER_S,
    HALTED_AFTER_S,
    LOG_EVERY_S,
    STUCK_AFTER_S,
    UNHEALTHY_AFTER_S,
    Activities,
    Phase,
    Watch,
    doing,
    longest_beyond,
    note_failure,
)
from tests.streams.stand_ins import Clock

RUNBOOK: Final = Path(__file__).parents[2] / "docs" / "runbooks" / "stuck.md"
CHAT: Final = ("contacts.chat", 3)


@pytest.fixture
def clock() -> Clock:
    """Give a clock."""
    return Clock()


def passed(watch: Watch, clock: Clock, seconds: float) -> tuple[list[str], list[str]]:
    """Let time pass as the watchdog does, second by second; give what it said, with where it says the code stands."""
    said, resumed = list[str](), list[str]()
    for _ in range(round(seconds)):
        clock.now += 1
        stuck, ended = watch.check()
        said += [each.line("HERE") for each in stuck]
        resumed += ended
    return said, resumed


def test_what_takes_long_is_named_once_a_minute_and_when_it_goes_on(clock: Clock) -> None:
    """Partition, phase, seconds and place; not each second."""
    activities = Activities(clock)
    watch = Watch(activities)
    with activities.during(Phase.LOCK, CHAT):
        assert passed(watch, clock, 10) == ([], [])
        doing(Phase.COMMITTING)
        assert passed(watch, clock, STUCK_AFTER_S - 1) == ([], []), "a phase counts from its own beginning"
        assert passed(watch, clock, 1) == (["contacts.chat/3 is stuck committing: 15 s so far, at HERE"], [])
        said, resumed = passed(watch, clock, 2 * LOG_EVERY_S)
        assert (len(said), resumed) == (2, [])
    assert passed(watch, clock, 1) == ([], ["contacts.chat/3 is no longer stuck committing: it took 136 s"])
    assert passed(watch, clock, 200) == ([], [])


def test_what_ends_in_an_error_is_not_said_to_be_done(clock: Clock) -> None:
    """Whether the error leaves the block or is handled in it, after which another phase may follow at once."""
    activities = Activities(clock)
    watch = Watch(activities)

    def let_it_fail() -> None:
        with activities.during(Phase.INSERTING, "the sink"):
            passed(watch, clock, 20)
            raise TimeoutError

    with pytest.raises(TimeoutError):
        let_it_fail()
    assert passed(watch, clock, 1)[1] == ["the sink is no longer stuck writing to ClickHouse: it failed after 21 s"]
    with activities.during(Phase.LOOKING_UP, CHAT):
        passed(watch, clock, 20)
        note_failure()
        doing(Phase.LOCK)
        failed = "contacts.chat/3 is no longer stuck looking up ClickHouse: it failed after 21 s"
        assert passed(watch, clock, 1)[1] == [failed]
        passed(watch, clock, 20)
    assert passed(watch, clock, 1)[1] == [
        "contacts.chat/3 is no longer stuck waiting for the partition's lock: it took 22 s"
    ]


def test_what_gets_on_is_not_stuck(clock: Clock) -> None:
    """A long journal that is read is no fault, however long it takes."""
    activities = Activities(clock)
    watch = Watch(activities)
    with activities.during(Phase.READING, CHAT):
        for _ in range(100):
            doing(Phase.READING)
            assert passed(watch, clock, STUCK_AFTER_S - 1) == ([], [])


def test_what_hangs_again_and_again_is_said_once_a_minute_all_the_same(clock: Clock) -> None:
    """A question to ClickHouse ends after its own time limit and is asked again."""
    activities = Activities(clock)
    watch = Watch(activities)
    said = 0
    for _ in range(6):
        with activities.during(Phase.LOOKING_UP, CHAT):
            said += len(passed(watch, clock, 30)[0])
    assert said == 3


def test_each_partition_and_each_phase_is_said_for_itself(clock: Clock) -> None:
    """One that hangs hides no other one; the longest comes first."""
    activities = Activities(clock)
    watch = Watch(activities)
    with activities.during(Phase.WRITING, CHAT):
        clock.now += 1
        with activities.during(Phase.WRITING, ("contacts.chat", 4)), activities.during(Phase.LOCK, CHAT):
            said, _ = passed(watch, clock, STUCK_AFTER_S)
            assert sorted(line.partition(":")[0] for line in said) == [
                "contacts.chat/3 is stuck waiting for the partition's lock",
                "contacts.chat/3 is stuck writing the step",
                "contacts.chat/4 is stuck writing the step",
            ]
            assert activities.stuck()[0].seconds == STUCK_AFTER_S + 1
    assert activities.stuck() == []


def test_what_waits_for_kafka_patiently_ends_nothing(clock: Clock) -> None:
    """It is said; health and the end of the process are for what a restart helps."""
    activities = Activities(clock)
    with activities.during(Phase.FETCHING, "the consumer"):
        clock.now += 2 * END_AFTER_S
        assert [each.name for each in activities.stuck()] == ["the consumer"]
        assert longest_beyond(activities.stuck(), UNHEALTHY_AFTER_S) is None
        with activities.during(Phase.WRITING, CHAT):
            clock.now += UNHEALTHY_AFTER_S + 1
            found = longest_beyond(activities.stuck(), UNHEALTHY_AFTER_S)
            assert found is not None
            assert found.name == "contacts.chat/3"
            assert longest_beyond(activities.stuck(), END_AFTER_S) is None


def test_a_process_that_was_halted_blames_nobody(clock: Clock) -> None:
    """Stopped by a signal, or the machine asleep: nothing hung meanwhile, and what hangs since is seen."""
    activities = Activities(clock)
    watch = Watch(activities)
    with activities.during(Phase.WRITING, CHAT):
        clock.now += HALTED_AFTER_S + 2 * END_AFTER_S
        assert watch.check() == ([], [])
        assert activities.stuck() == []
        assert len(passed(watch, clock, STUCK_AFTER_S)[0]) == 1


def test_outside_any_activity_nothing_is_noted() -> None:
    """As in a command that writes a journal."""
    doing(Phase.WRITING)
    note_failure()


def test_the_runbook_has_every_phase_and_limit() -> None:
    """In the words of the log."""
    text = RUNBOOK.read_text(encoding="utf-8")
    assert [phase for phase in Phase if f"`{phase}`" not in text] == []
    assert [
        limit for limit in (STUCK_AFTER_S, UNHEALTHY_AFTER_S, END_AFTER_S) if f"{limit:.0f} seconds" not in text
    ] == []
