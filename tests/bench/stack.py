"""What `pulssi demo` takes until the wallboard moves, and what the idle stack takes of the memory.

Run it: `python -m tests.bench.stack`. Kafka's jars have to be in the cache; on a machine that does nothing else the
figures say something of Pulssi.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.request import urlopen

import click

from deploy.embedded import stack_state
from deploy.embedded.stack_layout import PARTS_WITH_PORTS, pulssi_command
from tests.deploy.program import Program, clean_environment, descendants, ports_in_a_row
from tests.fixtures.stack import Stack
from tests.kafka.apache import kafka

MOVES_WITHIN_S: Final = 300.0
#: Until what a start leaves behind is collected.
SETTLES_S: Final = 30.0


def _offered(port: int) -> int | None:
    """Ask the wallboard for today's contacts; None where it is not live."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/api/live", timeout=5) as answer:
            said: dict[str, Any] = json.load(answer)
    except (URLError, OSError):
        return None
    return int(said["groups"][0]["windows"]["today"]["offered"]) if said["state"] == "live" and said["groups"] else None


def seconds_to_moving(folder: Path) -> float:
    """Start a demonstration, and return after how many seconds the wallboard has shown two different figures."""
    base = ports_in_a_row()
    began = time.monotonic()
    with Program(pulssi_command("demo", "--port-base", str(base)), clean_environment(folder)) as program:
        first: int | None = None
        while time.monotonic() - began < MOVES_WITHIN_S:
            now = _offered(base + PARTS_WITH_PORTS.index("wallboard"))
            if first is None:
                first = now or None
            elif now not in {None, first}:
                return time.monotonic() - began
            time.sleep(0.1)
        raise AssertionError(f"the wallboard does not move after {MOVES_WITHIN_S:g} s:\n{program.text}")


def _pss_mb(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def memory_mb(folder: Path) -> dict[str, float]:
    """Return the megabytes (PSS) of each part of an idle stack, and of `up` itself."""
    with Stack(folder / "data") as stack:
        time.sleep(SETTLES_S)
        running = stack_state.read(stack.folder)
        assert running is not None
        taken = {part.name: _pss_mb([part.pid, *descendants(part.pid)]) for part in running.parts if part.pid}
        return {**taken, "up": _pss_mb([running.pid])}


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Starts of the demonstration.")
def main(rounds: int) -> None:
    """Measure both."""
    kafka()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for _ in range(rounds):
            click.echo(f"`pulssi demo` to a moving wallboard: {seconds_to_moving(Path(folder)):.1f} s")
        taken = memory_mb(Path(folder))
    for name, megabytes in taken.items():
        click.echo(f"{name:<11} {megabytes:5.0f} MB")
    click.echo(f"{'together':<11} {sum(taken.values()):5.0f} MB")


if __name__ == "__main__":
    main()
