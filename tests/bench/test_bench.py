"""The bench's parts hang together, and each program does the job that it is measured by. How fast is no test."""

import itertools
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.decoding.decoder import decode
from tests.bench import job
from tests.bench.__main__ import PARTS, main
from tests.bench.contest import CONTESTANTS, difference, time_one
from tests.bench.events import write_chats
from tests.bench.live_load import LONGEST_S, agents_there, live_contacts
from tests.bench.pixels import delays_ms, percentile
from tests.bench.report import Part, markdown, replaced
from tests.bench.transport import rate_of
from tests.kafka.server import KafkaServer
from tests.streams.flow import keyed, produce

EVENTS = 200
PAGE = Path(__file__).parents[2] / "docs" / "performance.md"


@pytest.mark.parametrize(
    "name", [each if each == "pulssi" else pytest.param(each, marks=pytest.mark.long) for each in CONTESTANTS]
)
def test_each_does_the_job(name: str, fresh_kafka: KafkaServer) -> None:
    """Every pane that a program leaves in Kafka is what a batch over the events gives."""
    events = write_chats(EVENTS)
    produce(fresh_kafka.with_topics(), keyed(events))
    outcome = time_one(name, fresh_kafka, EVENTS, job.expected(events))
    assert outcome.fault == ""
    assert outcome.rate is not None


@pytest.mark.parametrize("transport", ["batches", pytest.param("idiomatic", marks=pytest.mark.long)])
def test_each_transport_brings_every_record(transport: str, fresh_kafka: KafkaServer) -> None:
    """The agent that only counts comes to as many records as were produced; else there is no rate."""
    produce(fresh_kafka.with_topics(), keyed(write_chats(EVENTS)))
    assert rate_of(transport, fresh_kafka, EVENTS) >= 0


def test_the_live_load_is_steady_and_valid() -> None:
    """Once the first contacts have ended, each second has its events, in order of time; the decoder takes all."""
    rate, begin = 100, 1_790_000_000
    made = list(itertools.takewhile(lambda each: each[0] < begin + LONGEST_S + 10, live_contacts(rate, begin)))
    assert [at for at, _ in made] == sorted(at for at, _ in made)
    assert sum(at >= begin + LONGEST_S for at, _ in made) == pytest.approx(10 * rate, rel=0.1)
    for record in keyed([*agents_there(begin), *(event for _, event in made)]):
        decode(*record)


def test_a_delay_is_up_to_the_first_figure_that_holds_the_event() -> None:
    """Two that came between two frames are both there in the second one; figures may grow by more than one."""
    assert list(delays_ms([0, 10, 12, 50], [(1, 30), (3, 40), (3, 45), (5, 99)])) == [30, 30, 28, 49]
    assert [percentile([*range(100)], share) for share in (0.5, 0.95, 0.99, 1)] == [50, 95, 99, 99]


def test_a_missing_fact_is_told() -> None:
    """A program that drops facts gets no figure, but words."""
    wanted = job.expected(write_chats(EVENTS))
    name, pane = next((name, pane) for name, pane in wanted.items() if pane[0] == 1)
    assert difference(wanted, wanted) == ""
    told = difference({at: kept for at, kept in wanted.items() if at != name}, wanted)
    assert told.startswith(f"1 of {len(wanted)} panes differ, 1 facts missing ({name}: None, not {pane}")


def test_the_page_has_a_place_for_every_part() -> None:
    """`--write docs/performance.md` finds its markers, renews what is between them, and leaves the rest."""
    page = PAGE.read_text("utf-8")
    for name in PARTS:
        part = Part([("speed", "1")], (), ["a note"], name=name)
        once = replaced(page, part)
        assert markdown(part).rstrip() in once
        assert replaced(once, part) == once
        assert once.split("<!-- bench:")[0] == page.split("<!-- bench:")[0]
    with pytest.raises(ValueError, match="no lines <!-- bench:memory -->"):
        replaced("nothing", Part([], (), name="memory"))


def test_a_part_it_does_not_know() -> None:
    """Unusable arguments end with 2 and a line that names what there is."""
    done = CliRunner().invoke(main, ["--only", "nonsense"])
    assert done.exit_code == 2
    assert "nonsense" in done.output
