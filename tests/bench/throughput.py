"""Events a second of one process each: Pulssi, idiomatic Faust and a plain loop, on the same records in the same round.

Whole-machine noise hits all of a round, so ratios are taken within it; the order turns from round to round.
"""

from collections.abc import Iterator, Sequence

import click

from tests.bench import job
from tests.bench.contest import CONTESTANTS, Outcome, time_one
from tests.bench.events import write_chats
from tests.bench.report import Part, spread, times
from tests.bench.servers import broker
from tests.streams.flow import keyed, produce


def _rounds(events: int, rounds: int) -> Iterator[dict[str, Outcome]]:
    made = write_chats(events)
    wanted, records = job.expected(made), keyed(made)
    names = list(CONTESTANTS)
    for number in range(rounds):
        turn = number % len(names)
        with broker() as server:
            produce(server.with_topics(), records)
            outcomes = {}
            for name in (*names[turn:], *names[:turn]):
                outcome = outcomes[name] = time_one(name, server, events, wanted)
                rate = f"{outcome.rate:,.0f} events/s" if outcome.rate else "not measured"
                rate += f", {outcome.efficiency:,.0f} by CPU second" if outcome.efficiency else ""
                click.echo(f"round {number + 1}: {name}: {rate} {outcome.fault}".rstrip(), err=True)
            yield outcomes


def _ratio(outcomes: Sequence[dict[str, Outcome]], name: str, to: str) -> str:
    rates = [(outcome[name].rate, outcome[to].rate) for outcome in outcomes]
    return spread([over / under for over, under in rates if over and under], "{:.2f}")


def run(events: int, rounds: int) -> Part:
    """Measure them all."""
    outcomes = list(_rounds(events, rounds))
    rows, faults = [], []
    for name, each in CONTESTANTS.items():
        its = [outcome[name] for outcome in outcomes]
        told = {one.fault.splitlines()[0]: None for one in its if one.fault}
        faults += [f"{each.title}: {fault}." for fault in told]
        rows.append(
            (
                each.title,
                each.keeps,
                spread([one.rate for one in its if one.rate]),
                spread([one.efficiency for one in its if one.efficiency]),
                _ratio(outcomes, name, "faust"),
                _ratio(outcomes, "pulssi", name),
                "right" if not told else "see below the table",
            )
        )
    rates = ("events/s", "events/CPU s", "to idiomatic Faust", "Pulssi to it")
    columns = ("one process", "what it keeps", *rates, "totals")
    return Part(rows, ["Apache Kafka", f"{events:,} events", times(rounds)], faults, columns)
