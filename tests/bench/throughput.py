"""Events a second of one process each: Pulssi, idiomatic Faust and the peers, on the same records in the same round.

Whole-machine noise hits all of a round, so ratios are taken within it; the order turns from round to round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version as installed
from typing import Final

import click

from schemas.settings import load as settings_of
from streams.topics import migrate_topics
from tests.bench import environments, job
from tests.bench.contest import CONTESTANTS, Contestant, Outcome, time_one
from tests.bench.events import write_chats
from tests.bench.report import Part, load, measured, spread, times
from tests.bench.servers import broker, produce, records_of

NAME: Final = "throughput"
BASELINE: Final = "faust"
OURS: Final = "pulssi"
COMMAND: Final = "make bench ARGS='--only throughput'"
_NONE: Final = "-"


def _title(each: Contestant) -> str:
    if each.name == BASELINE:
        return f"{each.title} (faust-streaming {installed('faust-streaming')})"
    return f"{each.title} {environments.version(each.name, each.package)}" if each.package else each.title


def _rounds(names: Sequence[str], events: int, rounds: int) -> Iterator[dict[str, Outcome]]:
    made = write_chats(events)
    wanted, records = job.expected(made), records_of(made)
    for number in range(rounds):
        turn = number % len(names)
        with broker() as server:
            settings = settings_of(server.settings_env())
            migrate_topics(settings)
            produce(settings, records)
            outcomes = {}
            for name in (*names[turn:], *names[:turn]):
                outcome = outcomes[name] = time_one(name, server, events, wanted)
                rate = f"{outcome.rate:,.0f} events/s" if outcome.rate else "not measured"
                rate += f", {outcome.efficiency:,.0f} by CPU second" if outcome.efficiency else ""
                click.echo(f"round {number + 1}: {name}: {rate} {outcome.fault}".rstrip(), err=True)
            yield outcomes


def _ratio(outcomes: Sequence[dict[str, Outcome]], name: str, to: str) -> str:
    ratios = []
    for outcome in outcomes:
        over, under = outcome[name].rate, outcome[to].rate if to in outcome else None
        if over and under:
            ratios.append(over / under)
    return spread(ratios, "{:.2f}") if ratios else _NONE


def run(events: int, rounds: int, names: Sequence[str]) -> Part:
    """Measure them all."""
    before = load()
    outcomes = list(_rounds(names, events, rounds))
    rows, faults = [], []
    for each in CONTESTANTS:
        if each.name not in names:
            continue
        rates = [rate for outcome in outcomes if (rate := outcome[each.name].rate)]
        by_cpu = [each_s for outcome in outcomes if (each_s := outcome[each.name].efficiency)]
        told = {fault.splitlines()[0]: None for outcome in outcomes if (fault := outcome[each.name].fault)}
        faults += [f"{each.title}: {fault}." for fault in told]
        rows.append(
            (
                _title(each),
                each.keeps,
                spread(rates) if rates else "not measured",
                spread(by_cpu) if by_cpu else _NONE,
                _ratio(outcomes, each.name, BASELINE),
                _ratio(outcomes, OURS, each.name),
                "right" if not told else "see below the table",
            )
        )
    columns = (
        "one process",
        "what it keeps",
        "events/s",
        "events/CPU s",
        "to idiomatic Faust",
        "Pulssi to it",
        "totals",
    )
    where = measured(before, "Apache Kafka", f"{events:,} events", times(rounds))
    return Part(NAME, columns, rows, [where, *faults, f"`{COMMAND}`"])
