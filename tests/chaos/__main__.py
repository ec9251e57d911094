"""`make chaos`: everything goes wrong, for as long as it takes, and every number is what it should be."""

import random
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from tests.chaos.run import Outcome, chaos, long, short
from tests.kafka.apache import ApacheKafka, missing


def _show(seed: int, outcome: Outcome) -> None:
    table = Table("what", "how often", title=f"seed {seed}")
    for name, times in [*sorted(outcome.done.items()), *outcome.counted.items()]:
        table.add_row(name, f"{times:,}")
    table.add_row("differences", f"{len(outcome.faults):,}")
    Console().print(table)
    click.echo("\n".join(outcome.faults))


@click.command()
@click.option("--seed", type=int, help="Of what is drawn (default: drawn too).")
@click.option("--events", type=int, help="How many (default: 200,000; in the short course 20,000).")
@click.option("--short", "is_short", is_flag=True, help="The short course.")
@click.option("--keep", type=click.Path(path_type=Path), help="A folder that logs and data stay in.")
def main(*, seed: int | None, events: int | None, is_short: bool, keep: Path | None) -> None:
    """Run a course; exits with 1 where anything differs."""
    if reason := missing():
        raise click.ClickException(reason)
    seed = random.SystemRandom().randrange(10_000) if seed is None else seed
    make = short if is_short else long
    scenario = make(seed=seed) if events is None else make(events, seed)
    with tempfile.TemporaryDirectory(prefix="pulssi-chaos-") as temporary:
        folder = keep or Path(temporary)
        click.echo(f"{scenario.events:,} events, seed {seed}, logs in {folder}")
        server = ApacheKafka(folder / "kafka")
        server.start()
        try:
            outcome = chaos(server, scenario, folder / "pulssi", click.echo)
        finally:
            server.stop()
    _show(seed, outcome)
    raise SystemExit(1 if outcome.faults else 0)


if __name__ == "__main__":
    main()
