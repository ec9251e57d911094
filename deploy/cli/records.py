"""What the commands over records of a topic share: reading them, finding one by its id, and showing them."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table

from deploy.cli.common import exit_if_unreachable, fail
from schemas.exits import Exit
from schemas.settings import Settings
from streams import times

_Record = TypeVar("_Record")

_MINUTE_MS: Final = 60_000
#: Of a line of a list, in characters.
_WIDTH: Final = 100
_INDENT: Final = "    "
#: In a pipe a row is one line, however long its cells are.
_PIPE_WIDTH: Final = 250


def read_records(settings: Settings, topic: str, decode: Callable[[bytes, bytes], _Record | None]) -> list[_Record]:
    """Read the newest record of each key; `decode` takes key and value, and returns None for another kind of record.

    Ends with 3 where Kafka does not answer, with 1 where another version of Pulssi wrote a record.
    """
    from streams.kafka.topic_reader import read_newest

    with exit_if_unreachable(settings):
        found = asyncio.run(read_newest(settings, topic))
    try:
        decoded = [decode(key, value) for key, value in found.items()]
    except ValueError:
        fail(f"the topic {topic} has a record that this version cannot read: use the version that runs", Exit.NO)
    return [record for record in decoded if record is not None]


def one_of(records: Iterable[_Record], what: str, given: str, id_of: Callable[[_Record], str]) -> _Record:
    """Find the record whose id begins as given; ends with 1 where there is none, or several."""
    found = [record for record in records if id_of(record).startswith(given)]
    if not found:
        fail(f"there is no {what} {given}: list them with `--all`", Exit.NO)
    if len(found) > 1:
        fail(f"{len(found)} ids begin with {given}: write more of the id", Exit.NO)
    return found[0]


def wrapped(text: str) -> list[str]:
    """Break a text of a list into indented lines that fit a terminal."""
    return textwrap.wrap(text, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT + _INDENT)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table as wide as the terminal. What stands in cells comes from outside: it is never markup."""
    table = Table(*headings, box=None)
    for row in rows:
        table.add_row(*row)
    width = None if Console().is_terminal else _PIPE_WIDTH
    Console(width=width, markup=False, highlight=False).print(table)


def print_fields(fields: Mapping[str, object]) -> None:
    """Print a line for each field that is not None, the values below each other."""
    width = max(map(len, fields)) + 2
    for name, value in fields.items():
        if value is not None:
            click.echo(f"{name + ':':<{width}}{value}")


def moment(at: int, zone: ZoneInfo) -> str:
    """Write a time to the second; `at` in UTC milliseconds."""
    return times.at(at).astimezone(zone).isoformat(" ", "seconds")


def duration(ms: int) -> str:
    """Write a duration: `3.2 s`, `2:05` minutes, `1:00:00` hours."""
    if ms < _MINUTE_MS:
        return f"{ms / 1000:g} s"
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02} h" if hours else f"{minutes}:{seconds:02} min"
