"""The figures as tables: on the terminal, and between markers in a Markdown page, so that one command renews the page.

Each part of the bench has markers of its own, so that a part can be measured alone. A page says with each table on what
machine, when and beside what load it was measured.
"""

import os
import platform
import re
import statistics
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from streams.compilation import is_compiled

CPUINFO: Final = Path("/proc/cpuinfo")


class Part(NamedTuple):
    """One table: rows of as many cells as there are columns, and what is to be known with it."""

    rows: Sequence[Sequence[str]]
    #: Beside which servers it was measured, and over how much.
    where: Sequence[str]
    notes: Sequence[str] = ()
    columns: Sequence[str] = ("", "figure")
    #: Given by `measured`.
    name: str = ""


def measured(name: str, measure: Callable[[], Part]) -> Part:
    """Measure one part, and note where, when and beside what load that was, and by which command."""
    load = os.getloadavg()[0]
    part = measure()
    code = "Pulssi compiled" if is_compiled() else "Pulssi from its sources"
    today = date.today().isoformat()  # noqa: DTZ011 - the machine's own day
    told = ", ".join((f"Measured {today}", machine(), code, *part.where))
    first, last = f"{told}; load average of the minute before: {load:.1f}.", f"`make bench ARGS='--only {name}'`"
    return part._replace(name=name, notes=(first, *part.notes, last))


def spread(figures: Sequence[float], form: str = "{:,.0f}") -> str:
    """Write the median, and in brackets the least and the most where there are several; a dash where there is none."""
    if not figures:
        return "-"
    median = form.format(statistics.median(figures))
    if len(figures) == 1:
        return median
    return f"{median} ({form.format(min(figures))} to {form.format(max(figures))})"


def machine() -> str:
    """Say what this machine is."""
    found = re.search(r"model name\s*:\s*(.+)", CPUINFO.read_text("utf-8")) if CPUINFO.is_file() else None
    processor = found[1].strip() if found else platform.processor() or platform.machine()
    return f"{os.cpu_count()} cores ({processor}), Python {platform.python_version()}"


def times(rounds: int) -> str:
    """Say how often it was measured."""
    return "1 round" if rounds == 1 else f"{rounds} rounds"


def show(part: Part, console: Console) -> None:
    """Print a table."""
    table = Table(title=part.name)
    for at, column in enumerate(part.columns):
        table.add_column(column, justify="right" if at and column.startswith(("events", "to ")) else "left")
    for row in part.rows:
        table.add_row(*row)
    console.print(table)
    for note in part.notes:
        console.print(note, soft_wrap=True)


def markdown(part: Part) -> str:
    """Write a table and its notes."""
    lines = [" | ".join(part.columns), " | ".join("---" for _ in part.columns), *map(" | ".join, part.rows)]
    return "\n".join([*(f"| {line} |" for line in lines), "", *(f"{note}\n" for note in part.notes)])


def replaced(page: str, part: Part) -> str:
    """Return the page with what stands between the part's markers renewed. Raises ValueError where there are none."""
    begin, end = f"<!-- bench:{part.name} -->", f"<!-- /bench:{part.name} -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no lines {begin} and {end}, between which the table would go")
    return f"{before}{begin}\n\n{markdown(part).rstrip()}\n\n{end}{after}"
