"""Shows a download: a progress bar on a terminal, one line in a pipe, nothing where all is in the cache."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from deploy.embedded.kafka.jars import Progress


@contextmanager
def downloading() -> Iterator[Progress]:
    """Yield the receiver of a download's progress; the bar is shown while the download runs."""
    shown = sys.stderr.isatty()
    rest = (DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    bars = Bars(TextColumn("{task.description}"), BarColumn(), *rest, console=Console(stderr=True), disable=not shown)

    def begin(title: str, size: int) -> None:
        if not shown:
            click.echo(f"downloading {title} ({size / 1e6:.0f} MB), once", err=True)
        bars.start()
        bars.add_task(title, total=size)

    try:
        yield Progress(begin, lambda size: bars.advance(bars.task_ids[-1], size))
    finally:
        bars.stop()
