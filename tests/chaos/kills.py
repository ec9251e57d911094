"""`make kills`: kill -9 of each part of `pulssi up`, of all at once and of the whole stack, while events flow.

What was acknowledged to the producer must be in ClickHouse, and `pulssi reconcile` must find no difference. Options:
--parts LIST (with commas; default: all), --rounds N (default: 10). Exits with 1 where anything is missing or differs.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
import orjson

from deploy.embedded import state
from deploy.embedded.parts import pulssi
from deploy.embedded.state import PartState
from streams.sources import recorded
from tests.deploy.program import Program, await_gone, clean_environment, descendants, ports_in_a_row
from tests.fixtures.stack import Stack
from tests.streams.flow import simulated
from tests.streams.sources.consumed import await_records

PARTS: Final = ("broker", "clickhouse", "worker", "sink", "wallboard")
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


class Ground:
    """A stack in a folder, and whom to kill in it."""

    def __init__(self, folder: Path) -> None:
        self.stack = Stack(folder / "data")
        self._home = folder
        self._ports = ("--port-base", str(ports_in_a_row()))

    def up(self) -> None:
        """Start it."""
        self.stack.pulssi("up", "--detach", *self._ports)

    def down(self) -> None:
        """End it; nothing where it does not run."""
        self.stack.pulssi("down")

    def parts(self) -> dict[str, PartState]:
        """Return each part's state; none where nothing runs."""
        running = state.read(self.stack.folder)
        return {} if running is None else {part.name: part for part in running.parts if part.name in PARTS}

    def kill(self, victim: str) -> None:
        """Kill, and return when all is ready again."""
        before = self.parts()
        running = state.read(self.stack.folder)
        assert running is not None
        if victim == POWER_CUT:
            everything = [running.pid, *descendants(running.pid)]
            _kill(everything)
            await_gone(everything)
            self.up()
            assert "the last run did not end in order" in (self.stack.folder / "logs" / "up.log").read_text()
            return
        victims = PARTS if victim == ALL else (victim,)
        pids = [pid for name in victims if (pid := before[name].pid)]
        _kill([*pids, *itertools.chain.from_iterable(map(descendants, pids))])
        self._await_back({name: before[name].restarts + 1 for name in victims})

    def _await_back(self, restarts: dict[str, int]) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            parts = self.parts()
            behind = [name for name, times in restarts.items() if parts[name].restarts < times]
            behind += [name for name, part in parts.items() if part.state != "ready"]
            if not behind:
                return
            assert time.monotonic() < deadline, f"not ready again after {READY_WITHIN_S:g} s: {behind}"
            time.sleep(0.05)

    def produced(self, file: Path) -> Program:
        """Replay a file as it was recorded, from another process than the stack's."""
        command = pulssi("replay", str(file), "--speed", "1", "--wait", "300", "--data", str(self.stack.folder))
        return Program(command, clean_environment(self._home))


def _kill(pids: Sequence[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it died with one before it


def _recorded(file: Path, seed: int) -> list[dict[str, Any]]:
    """Write a recording in order of time; returns its events."""
    events = sorted(simulated(round(RATE * LASTS_S), RATE, seed), key=lambda event: str(event["occurred_at"]))
    recorded.write(str(file), map(orjson.dumps, events))
    return events


def rounds(ground: Ground, victim: str, times: int, before: Sequence[dict[str, Any]] = ()) -> tuple[Outcome, list[Any]]:
    """Kill so many times while events flow; returns what came of it, and all events acknowledged, `before` too."""
    outcome = Outcome(victim)
    file = ground.stack.folder.parent / f"{victim}.ndjson"
    events = _recorded(file, seed=VICTIMS.index(victim) + 1)
    brokers = ground.parts()["broker"].url
    producer = ground.produced(file)
    pause = threading.Event()
    try:
        await_records(brokers, len(before) + 1)
        for number in range(times):
            began = time.monotonic()
            ground.kill(victim)
            outcome.back_s.append(time.monotonic() - began)
            pause.wait(PAUSE_S * (number % 5) / 5)
        await_records(brokers, len(before) + round(RATE))
        producer.signal(signal.SIGINT)
        if producer.await_end() != 0:
            outcome.faults.append(f"replay: {producer.lines[-1]}")
        sent = re.search(r"^sent ([\d,]+) events", producer.text, re.MULTILINE)
    except AssertionError as error:
        outcome.faults.append(str(error))
        return outcome, list(before)
    finally:
        producer.close()
    outcome.acknowledged = int(sent[1].replace(",", "")) if sent else 0
    acknowledged = [*before, *events[: outcome.acknowledged]]
    outcome.faults += _faults(ground.stack, acknowledged)
    return outcome, acknowledged


def _faults(stack: Stack, events: Sequence[dict[str, Any]]) -> list[str]:
    """Say what is missing in ClickHouse or differs, once all is drained."""
    try:
        stack.pulssi("drain", "--timeout", "240")
        stack.pulssi("reconcile")
    except AssertionError as error:
        return [str(error)]
    archived = {str(event_id) for (event_id,) in stack.rows("SELECT event_id FROM events")}
    wanted = {str(event["event_id"]) for event in events}
    faults = [f"{len(wanted - archived):,} acknowledged events are missing"] if wanted - archived else []
    return faults + ([f"{len(archived - wanted):,} events were not acknowledged"] if archived - wanted else [])


def run(victims: Sequence[str], times: int, say: Callable[[str], None]) -> bool:
    """Kill each of them so many times, in one stack; tells whether nothing is missing and nothing differs."""
    good = True
    with tempfile.TemporaryDirectory(prefix="pulssi-kills-", ignore_cleanup_errors=True) as folder:
        ground = Ground(Path(folder))
        ground.up()
        try:
            events: list[Any] = []
            for victim in victims:
                outcome, events = rounds(ground, victim, times, events)
                say(str(outcome))
                good = good and not outcome.faults
        finally:
            ground.down()
    return good


def main() -> int:
    """Run the rounds asked for."""
    parser = argparse.ArgumentParser(prog="make kills", description=__doc__)
    parser.add_argument("--parts", default=",".join(VICTIMS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    victims = [name.strip() for name in arguments.parts.split(",")]
    if unknown := [name for name in victims if name not in VICTIMS]:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(VICTIMS)}")
    return 0 if run(victims, arguments.rounds, click.echo) else 1


if __name__ == "__main__":
    raise SystemExit(main())
