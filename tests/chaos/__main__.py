"""`make chaos`: everything goes wrong, for as long as it takes, and every number is what it should be.

Options: --seed N, --events N, --short, --keep FOLDER. Exits with 1 where
anything differs.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.chaos.courses import long, short
from tests.chaos.run import Outcome, chaos
from tests.kafka.apache import ApacheKafka, missing

EVENTS: Final = 200_000
SHORT_EVENTS: Final = 20_000
_CONSOLE: Final = Console()


def _say(line: str) -> None:
    _CONSOLE.print(line, highlight=False, markup=False)


def _show(seed: int, outcome: Outcome) -> None:
    table = Table("what", "how often", title=f"seed {seed}")
    for name, times in [*sorted(outcome.done.items()), *outcome.counted.items()]:
        table.add_row(name, f"{times:,}")
    table.add_row("differences", f"{len(outcome.faults):,}")
    _CONSOLE.print(table)
    for fault in outcome.faults:
        _say(fault)


def _run(arguments: argparse.Namespace, seed: int, folder: Path) -> bool:
    make = short if arguments.short else long
    course = make(arguments.events or (SHORT_EVENTS if arguments.short else EVENTS), seed)
    server = ApacheKafka(folder / "kafka")
    _say(f"{course.events:,} events, seed {seed}, logs in {folder}")
    server.start()
    try:
        outcome = chaos(server, course, folder / "pulssi", _say)
    finally:
        server.stop()
    _show(seed, outcome)
    return not outcome.faults


def main() -> int:
    """Run the courses asked for."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--events", type=int)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--keep", type=Path, help="a folder that logs and data stay in")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(10_000) if arguments.seed is None else arguments.seed
    if reason := missing():
        _say(reason)
        return 1
    with tempfile.TemporaryDirectory(prefix="pulssi-chaos-") as folder:
        where = arguments.keep or Path(folder)
        where.mkdir(parents=True, exist_ok=True)
        return 0 if _run(arguments, seed, where) else 1


if __name__ == "__main__":
    raise SystemExit(main())
