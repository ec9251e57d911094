"""`make bench`: what Pulssi manages, beside idiomatic Faust and other libraries doing less, in the same run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from tests.bench import delay, memory, recovery, throughput, workers
from tests.bench.contest import NAMES
from tests.bench.report import Part, replaced, show

PARTS: Final = (throughput.NAME, workers.NAME, recovery.NAME, memory.NAME, delay.NAME)
ALWAYS: Final = (throughput.OURS, throughput.BASELINE)


def _several(allowed: tuple[str, ...]) -> Callable[[click.Context, click.Parameter, str], tuple[str, ...]]:
    def read(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, ...]:
        names = [name.strip() for name in value.split(",") if name.strip()]
        if unknown := [name for name in names if name not in (*allowed, "all", "none")]:
            raise click.BadParameter(f"there is no {', '.join(unknown)}; there are {', '.join(allowed)}, all, none")
        return tuple(name for name in allowed if name in names or "all" in names)

    return read


@click.command()
@click.option("--only", default="all", show_default=True, callback=_several(PARTS), help=f"Of {', '.join(PARTS)}.")
@click.option(
    "--peers",
    default="all",
    show_default=True,
    callback=_several(tuple(name for name in NAMES if name not in ALWAYS)),
    help="Of them; Pulssi and idiomatic Faust are always there.",
)
@click.option("--events", default=100_000, show_default=True, help="For throughput and workers.")
@click.option("--rounds", default=3, show_default=True, help="For all but memory and delay.")
@click.option("--journal", default=20_000, show_default=True, help="For recovery: contacts in the journal.")
@click.option("--contacts", default=100_000, show_default=True, help="For memory.")
@click.option("--seconds", default=60, show_default=True, help="For delay: how long each rate is measured.")
@click.option("--rate", "rates", multiple=True, default=[3_000, 5_000], show_default=True, help="For delay: events/s.")
@click.option("--write", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="Renew this page's tables.")
def main(
    *,
    only: tuple[str, ...],
    peers: tuple[str, ...],
    events: int,
    rounds: int,
    contacts: int,
    journal: int,
    seconds: int,
    rates: tuple[int, ...],
    write: Path | None,
) -> None:
    """Measure, print tables, and put them into a page where asked to."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    names = [name for name in NAMES if name in (*ALWAYS, *peers)]
    parts: dict[str, Callable[[], Part]] = {
        throughput.NAME: lambda: throughput.run(events, rounds, names),
        workers.NAME: lambda: workers.run(events, rounds),
        recovery.NAME: lambda: recovery.run(journal, rounds),
        memory.NAME: lambda: memory.run(contacts),
        delay.NAME: lambda: delay.run(rates, seconds),
    }
    for name in only:
        with console.status(f"measuring: {name}"):
            part = parts[name]()
        show(part, console)
        if write is not None:
            try:
                page = replaced(write.read_text("utf-8"), part)
            except ValueError as error:
                raise click.UsageError(f"{write}: {error}") from None
            write.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
