"""What a stack says: each part's lines with its name in front, on the terminal or, in the background, in files."""

import logging
import re
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime
from itertools import cycle
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

import click

COLOURS: Final = ("cyan", "green", "yellow", "magenta", "blue", "bright_red", "bright_cyan")
NAME_WIDTH: Final = 10
LOG_BYTES: Final = 10 * 1024 * 1024
OLD_LOGS: Final = 3

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d")


class TerminalOutput:
    """Lines on standard output; colour where that is a terminal. A reader that went away is no failure."""

    def __init__(self) -> None:
        self._colours = defaultdict[str, str](cycle(COLOURS).__next__)

    def line(self, part: str, text: str) -> None:
        """Write a part's line behind its name."""
        self._write(f"{click.style(f'{part:<{NAME_WIDTH}} |', fg=self._colours[part])} {text}")

    def say(self, text: str) -> None:
        """Write the stack's own words, in bold on a terminal."""
        self._write(click.style(text, bold=True))

    def _write(self, text: str) -> None:
        with suppress(BrokenPipeError, ValueError):
            click.echo(text)


def _with_timestamp(text: str) -> str:
    """Begin a line with the time, in UTC and as `logging` writes it, unless it is empty or has one."""
    now = datetime.now(UTC)
    return text if not text or _TIME.match(text) else f"{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03} {text}"


class FileOutput(TerminalOutput):
    """A log file a part in `folder` (which exists), turned over at 10 MiB; the stack's own words on standard output.

    Each line begins with a time.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._handlers: dict[str, RotatingFileHandler] = {}

    def line(self, part: str, text: str) -> None:
        """Write a part's line to its file."""
        if part not in self._handlers:
            self._handlers[part] = RotatingFileHandler(
                self._folder / f"{part}.log", maxBytes=LOG_BYTES, backupCount=OLD_LOGS, encoding="utf-8"
            )
        self._handlers[part].emit(logging.makeLogRecord({"msg": _with_timestamp(text)}))

    def say(self, text: str) -> None:
        """Write the stack's own words, with the time."""
        super().say(_with_timestamp(text))
