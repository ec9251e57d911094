"""`pulssi replay`: recorded events into Kafka, as they were or as fast as can be, in order or not."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, cast

import click

from deploy.cli.common import NearestChoice, fail, running_stack_option, stack_settings
from deploy.cli.sending import Pace, ProgressMeter, broker_wait_option, send_events
from schemas.exits import Exit
from streams.sources import recording_files
from streams.sources.recording_files import Line, UnreadableError
from streams.sources.recordings import Format, Recording, RoutedEvent
from streams.times import now_ms

#: Lines that are not sent are named one by one up to here, then counted.
NAMED: Final = 20
_LARGEST_SPEED: Final = 1_000_000


def _speed(text: str) -> float | None:
    with contextlib.suppress(ValueError):
        if text == "max" or 0 < float(text) <= _LARGEST_SPEED:
            return None if text == "max" else float(text)
    raise click.BadParameter(f"{text!r} is no speed: a factor above 0 (1: as recorded), or max")


def _rebase(text: str) -> int | Literal["now"]:
    with contextlib.suppress(ValueError):
        return "now" if text == "now" else int(text)
    raise click.BadParameter(f"{text!r} is neither `now` nor a number of milliseconds")


class RejectedLines:
    """The lines that could not be sent."""

    def __init__(self, meter: ProgressMeter) -> None:
        self._meter = meter
        self.count = 0

    def __call__(self, line: Line, why: str) -> None:
        """Count a line, and name it unless too many were named already."""
        self.count += 1
        if self.count <= NAMED:
            self._meter.say(f"{line.file}:{line.number}: not sent: {why}")
        elif self.count == NAMED + 1:
            self._meter.say(f"more than {NAMED} lines cannot be sent: the rest is only counted")


@click.command(
    epilog="""\b
Examples:
  pulssi replay yesterday.ndjson.zst
  pulssi replay chats.ndjson calls.ndjson.gz --speed 60
  pulssi replay yesterday.ndjson --shuffle 7 --duplicate 0.2
  pulssi replay --format conversations archive.jsonl
  zcat *.gz | pulssi replay -
"""
)
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option(
    "--speed",
    type=_speed,
    metavar="X|max",
    default="max",
    show_default=True,
    help="Relative to the events' own times; 1: as recorded.",
)
@click.option("--shuffle", type=int, metavar="SEED", help="Send all lines in another order, which the seed decides.")
@click.option(
    "--duplicate",
    type=click.FloatRange(0, 1),
    default=0.0,
    metavar="P",
    help="Send this share of the lines once more, a little later.",
)
@click.option(
    "--rebase",
    type=_rebase,
    metavar="now|MS",
    help="Move all times by one amount: `now` (with a --speed the first event is now, else the last one is), or this"
    " many milliseconds, as printed by a replay that lost the broker. Event ids stay the same, so replay a file into"
    " one stack with one amount only.",
)
@click.option(
    "--format",
    "form",
    type=NearestChoice(["events", "conversations"]),
    default="events",
    show_default=True,
    help="What the lines are: events of the contract, or conversations with their messages.",
)
@broker_wait_option
@running_stack_option
def replay(
    files: tuple[str, ...],
    speed: float | None,
    shuffle: int | None,
    duplicate: float,
    rebase: int | Literal["now"] | None,
    form: str,
    give_up_s: float,
    data: Path | None,
) -> None:
    """Send recorded events to Kafka.

    A FILE is NDJSON, plain, .gz or .zst; `-` is standard input. A line that is no valid event, but has a channel and a
    key, is sent as it is and becomes a dead letter. A line without them is not sent but named, and the command ends
    with 1. If the broker stays away, it ends with 3 and prints how many events are acknowledged, and the command that
    continues.
    """
    paced = speed is not None
    if paced and (shuffle is not None or duplicate):
        fail("--shuffle and --duplicate go with --speed max only: a pace needs the order of time", Exit.UNUSABLE)
    if rebase == "now" and recording_files.STANDARD in files:
        fail("--rebase now reads its files twice, and standard input is read once: write it to a file", Exit.UNUSABLE)
    settings = stack_settings(data)
    recording = Recording(files, cast("Format", form), shuffle, duplicate, by_time=paced)
    meter = ProgressMeter("replaying", None)
    rejected = RejectedLines(meter)
    shift_ms = _prepare(recording, rebase=rebase, paced=paced)
    unreadable: list[str] = []
    from streams.sources.event_producer import EventProducer

    def events() -> Iterator[RoutedEvent]:
        try:
            for count, event in enumerate(recording.events(rejected, shift_ms)):
                if meter.is_due():
                    meter.show(count, f"{count:,} events")
                yield event
        except UnreadableError as error:
            unreadable.append(str(error))

    producer = EventProducer(settings, meter.say, give_up_s=give_up_s, client="replay")
    pace = None if speed is None else Pace(speed)
    line = send_events(producer, meter, events(), pace, lambda: _summary(recording, producer.sent_by_origin, shift_ms))
    if rejected.count:
        line += f"; {rejected.count:,} {'line' if rejected.count == 1 else 'lines'} not sent"
    click.echo(line)
    if unreadable:
        fail(unreadable[0], Exit.UNUSABLE)
    if rejected.count:
        raise SystemExit(Exit.NO)


def _summary(recording: Recording, acknowledged: Mapping[str, int], shift_ms: int | None) -> str:
    """Return how many events of each file are acknowledged, out of how many, and the command that continues."""
    of: Mapping[str, int] = {}
    with contextlib.suppress(UnreadableError):
        of = {} if recording_files.STANDARD in recording.files else recording.count()
    files = {event_file: f"{event_file} {acknowledged.get(event_file, 0):,}" for event_file in of or acknowledged}
    by_file = ", ".join(f"{told} of {of[file]:,}" if file in of else told for file, told in files.items())
    total = f"{sum(acknowledged.values()):,}" + (f" of {sum(of.values()):,}" if of else "")
    again = "the same command" if shift_ms is None else f"the same command with --rebase {shift_ms}"
    return f"{total} events are acknowledged ({by_file}); {again} continues: events that are sent twice count once"


def _prepare(recording: Recording, *, rebase: int | Literal["now"] | None, paced: bool) -> int | None:
    """Look whether every file can be read before anything is sent; returns by how much times are to be moved."""
    try:
        for file in recording.files:
            if file != recording_files.STANDARD:
                next(recording_files.lines(file), None)
        span = replace(recording, shuffle=None, duplicate=0.0, by_time=False).span() if rebase == "now" else None
    except UnreadableError as error:
        fail(str(error), Exit.UNUSABLE)
    if isinstance(rebase, int) or span is None:
        return rebase if isinstance(rebase, int) else None
    return now_ms() - (span[0] if paced else span[1])
