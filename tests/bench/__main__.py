"""`make bench`: what Pulssi manages, beside idiomatic Faust and a plain loop doing less, in the same run."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from tests.bench import (
    alerts,
    core,
    delay,
    gateway,
    hooks,
    overload,
    pages,
    pixels,
    queue_log,
    recovery,
    throughput,
    transport,
    workers,
)
from tests.bench.report import Part, measured, replaced, show

#: Events a second of the parts that have no `--rate`.
WALLBOARD_RATE: Final = 2_000
DELAY_RATES: Final = (3_000, 5_000)
#: A round of the gateway.
GATEWAY_SECONDS: Final = 10
PARTS: Final = (
    "throughput",
    "transport",
    "workers",
    "recovery",
    "memory",
    "delay",
    "pixels",
    "pages",
    "alerts",
    "hooks",
    "gateway",
    "overload",
    "queue_log",
)
#: Rows of a telephone exchange that are imported: a few weeks of a busy one.
QUEUE_LOG_ROWS: Final = 300_000


@click.command()
@click.option("--only", type=click.Choice(PARTS), multiple=True, default=PARTS, help="One part, or several.")
@click.option("--events", default=100_000, show_default=True, help="For throughput, transport and workers.")
@click.option(
    "--rounds",
    default=3,
    show_default=True,
    help="For throughput, transport, workers, recovery, gateway, queue_log.",
)
@click.option("--journal", default=20_000, show_default=True, help="For recovery: contacts in the journal.")
@click.option("--contacts", default=100_000, show_default=True, help="For memory.")
@click.option("--seconds", default=60, show_default=True, help="For delay and pages: how long a rate is measured.")
@click.option("--rate", "rates", multiple=True, type=int, help="Events/s; delay: 3000 and 5000, pixels, pages: 2000.")
@click.option("--changes", default=250, show_default=True, help="For pixels: changes of the page that are measured.")
@click.option("--pages", "open_pages", default=200, show_default=True, help="For pages: how many are open.")
@click.option("--archive", is_flag=True, help="For pixels and pages: beside ClickHouse and the sink.")
@click.option("--policies", default=500, show_default=True, help="For alerts.")
@click.option("--queues", default=200, show_default=True, help="For alerts.")
@click.option("--minutes", default=10, show_default=True, help="For overload.")
@click.option("--write", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="Renew this page's tables.")
def main(
    *,
    only: Sequence[str],
    events: int,
    rounds: int,
    contacts: int,
    journal: int,
    seconds: int,
    rates: Sequence[int],
    changes: int,
    open_pages: int,
    archive: bool,
    policies: int,
    queues: int,
    minutes: int,
    write: Path | None,
) -> None:
    """Measure, print tables, and put them into a page where asked to."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    rate = rates[0] if rates else WALLBOARD_RATE
    parts: dict[str, Callable[[], Part]] = {
        "throughput": lambda: throughput.run(events, rounds),
        "transport": lambda: transport.run(events, rounds),
        "workers": lambda: workers.run(events, rounds),
        "recovery": lambda: recovery.run(journal, rounds),
        "memory": lambda: core.memory(contacts),
        "delay": lambda: delay.run(rates or DELAY_RATES, seconds),
        "pixels": lambda: pixels.run(changes, rate, archive=archive),
        "pages": lambda: pages.run(open_pages, rate, seconds, archive=archive),
        "alerts": lambda: alerts.run(policies, queues),
        "hooks": hooks.run,
        "gateway": lambda: gateway.run(GATEWAY_SECONDS, rounds),
        "overload": lambda: overload.run(minutes),
        "queue_log": lambda: queue_log.run(QUEUE_LOG_ROWS, rounds),
    }
    for name in only:
        with console.status(f"measuring: {name}"):
            part = measured(name, parts[name])
        show(part, console)
        if write is not None:
            try:
                page = replaced(write.read_text("utf-8"), part)
            except ValueError as error:
                raise click.UsageError(f"{write}: {error}") from None
            write.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
