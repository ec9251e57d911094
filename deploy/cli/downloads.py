"""Shows a download: a progress bar on a terminal, one line in a pipe, nothing where all is in the cache."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from deploy.embedded.kafka.jars import Progress


@contextmanager
def downloading() -> Iterator[Progress]:
    """Yield the receiver of a download's progress; the bar is shown while the download runs."""
    if not sys.stderr.isatty():
        yield Progress(
            begin=lambda title, size: click.echo(f"downloading {title} ({size / 1e6:.0f} MB), once", err=True)
        )
        return
    from rich.console import Console  # noqa: PLC0415 - only where there is a terminal
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn  # noqa: PLC0415
    from rich.progress import Progress as Bars  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    bars = Bars(*columns, console=Console(stderr=True))

    def begin(title: str, size: int) -> None:
        bars.start()
        bars.add_task(title, total=size)

    try:
        yield Progress(begin, lambda size: bars.advance(bars.task_ids[-1], size))
    finally:
        bars.stop()
