"""`make kills`: kill -9 of each part of `pulssi up`, of all at once and of the whole stack, while events flow.

What was acknowledged to the producer must be in ClickHouse, and `pulssi reconcile` must find no difference. Options:
--parts LIST (with commas; default: all), --rounds N (default: 10). Exits with 1 where anything is missing or differs.
"""

import itertools
import os
import re
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
import orjson

from deploy.embedded import stack_state
from deploy.embedded.stack_layout import pulssi_command
from streams.sources import recording_files
from tests.deploy.program import Program, await_gone, clean_environment, descendants
from tests.fixtures.stack import Stack
from tests.streams.flow import simulated
from tests.streams.sources.consumed import await_records

PARTS: Final = ("broker", "clickhouse", "worker", "sink", "wallboard", "alerts", "hooks")
#: All parts at once, which `up` starts again; and what a power cut does: `up` is killed with them.
ALL: Final = "all-parts"
POWER_CUT: Final = "power-cut"
VICTIMS: Final = (*PARTS, ALL, POWER_CUT)
ROUNDS: Final = 10
#: Events a second, and for how long there are some: rounds end before.
RATE: Final = 40.0
LASTS_S: Final = 1_200
READY_WITHIN_S: Final = 180.0
#: Between two kills, so that they come at any moment of what a part does.
PAUSE_S: Final = 2.0

Event = dict[str, Any]


@dataclass
class Outcome:
    """What a run of rounds came to."""

    victim: str
    acknowledged: int = 0
    back_s: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Write it in a line."""
        back = f"ready again after {min(self.back_s):.1f} to {max(self.back_s):.1f} s" if self.back_s else "never back"
        verdict = "; ".join(self.faults) or "nothing missing, difference 0"
        return f"{self.victim:<11} {len(self.back_s)} kills, {self.acknowledged:,} acknowledged, {back}: {verdict}"


def kill(stack: Stack, victim: str) -> None:
    """Kill, and return when all is ready again."""
    running = stack_state.read(stack.folder)
    assert running is not None, stack.log[-2000:]
    if victim == POWER_CUT:
        everything = [running.pid, *descendants(running.pid)]
        _kill(everything)
        await_gone(everything)
        stack.up()
        assert "the last run did not end in order" in stack.log
        return
    before = {part.name: part for part in running.parts if part.name in (PARTS if victim == ALL else (victim,))}
    pids = [part.pid for part in before.values() if part.pid]
    _kill([*pids, *itertools.chain.from_iterable(map(descendants, pids))])
    deadline = time.monotonic() + READY_WITHIN_S
    while behind := [
        name
        for name in PARTS
        if (part := stack.parts.get(name)) is None
        or part.state not in {"ready", "done"}
        or (name in before and part.restarts <= before[name].restarts)
    ]:
        assert time.monotonic() < deadline, f"not ready again after {READY_WITHIN_S:g} s: {behind}"
        time.sleep(0.05)


def _kill(pids: Sequence[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it died with one before it


def _recorded(file: Path, seed: int) -> list[dict[str, Any]]:
    """Write a recording in order of time; returns its events."""
    events = sorted(simulated(round(RATE * LASTS_S), RATE, seed), key=lambda event: str(event["occurred_at"]))
    recording_files.write(str(file), map(orjson.dumps, events))
    return events


def rounds(stack: Stack, victim: str, times: int, before: Sequence[Event] = ()) -> tuple[Outcome, list[Event]]:
    """Kill so many times while events flow; returns what came of it, and all events acknowledged, `before` too."""
    outcome = Outcome(victim)
    file = stack.folder.with_name(f"{victim}.ndjson")
    events = _recorded(file, seed=VICTIMS.index(victim) + 1)
    replay = pulssi_command("replay", str(file), "--speed", "1", "--wait", "300", "--data", str(stack.folder))
    try:
        brokers = stack.parts["broker"].url
        with Program(replay, clean_environment(stack.folder.parent)) as producer:
            await_records(brokers, len(before) + 1)
            for number in range(times):
                began = time.monotonic()
                kill(stack, victim)
                outcome.back_s.append(time.monotonic() - began)
                time.sleep(PAUSE_S * (number % 5) / 5)
            await_records(brokers, len(before) + round(RATE))
            producer.signal(signal.SIGINT)
            if producer.await_end() != 0:
                outcome.faults.append(f"replay: {producer.lines[-1]}")
            sent = re.search(r"^sent ([\d,]+) events", producer.text, re.MULTILINE)
    except AssertionError as error:
        outcome.faults.append(str(error))
        return outcome, list(before)
    outcome.acknowledged = int(sent[1].replace(",", "")) if sent else 0
    acknowledged = [*before, *events[: outcome.acknowledged]]
    outcome.faults += _faults(stack, acknowledged)
    return outcome, acknowledged


def _faults(stack: Stack, events: Sequence[Event]) -> list[str]:
    try:
        stack.pulssi("drain", "--timeout", "240")
        stack.pulssi("reconcile")
    except AssertionError as error:
        return [str(error)]
    archived = {str(event_id) for (event_id,) in stack.rows("SELECT event_id FROM events")}
    wanted = {str(event["event_id"]) for event in events}
    faults = [f"{len(wanted - archived):,} acknowledged events are missing"] if wanted - archived else []
    return faults + ([f"{len(archived - wanted):,} events were not acknowledged"] if archived - wanted else [])


@click.command()
@click.option("--parts", default=",".join(VICTIMS), show_default=True, help="Whom to kill, with commas.")
@click.option("--rounds", "times", default=ROUNDS, show_default=True, help="How often each.")
def main(parts: str, times: int) -> None:
    """Kill each of them so many times, in one stack."""
    victims = [name.strip() for name in parts.split(",")]
    if unknown := [name for name in victims if name not in VICTIMS]:
        raise click.BadParameter(f"there is no {', '.join(unknown)}; there are {', '.join(VICTIMS)}")
    good, events = True, list[Event]()
    with (
        tempfile.TemporaryDirectory(prefix="pulssi-kills-", ignore_cleanup_errors=True) as folder,
        Stack(Path(folder) / "data") as stack,
    ):
        for victim in victims:
            outcome, events = rounds(stack, victim, times, events)
            click.echo(str(outcome))
            good = good and not outcome.faults
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
