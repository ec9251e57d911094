"""Shows a download: a progress bar on a terminal, one line in a pipe, nothing where all is in the cache."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from deploy.embedded.kafka.jars import Advance, Begin


@contextmanager
def downloading() -> Iterator[Begin]:
    """Yield what is called when a download begins; its bar is shown until the end of the block."""
    rest = (DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    shown = sys.stderr.isatty()
    bars = Progress(
        TextColumn("{task.description}"), BarColumn(), *rest, console=Console(stderr=True), disable=not shown
    )

    def begin(title: str, size: int) -> Advance:
        if not shown:
            click.echo(f"downloading {title} ({size / 1e6:.0f} MB), once", err=True)
        bars.start()
        return partial(bars.advance, bars.add_task(title, total=size))

    try:
        yield begin
    finally:
        bars.stop()
