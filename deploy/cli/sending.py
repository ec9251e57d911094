"""What commands that put events into Kafka share: a producer, a clean end on Ctrl-C, progress, and the last line."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from deploy.cli.common import fail
from schemas.exits import Exit
from streams.times import now_ms

if TYPE_CHECKING:
    from streams.sources.event_producer import EventProducer
    from streams.sources.recordings import RoutedEvent

_EVERY_S: Final = 0.2
#: How long the end waits for acknowledgements once somebody asked for it.
_FLUSH_WITHIN_S: Final = 5.0
#: Between two looks, while all is overdue, at whether somebody wants an end, and for the producer to work.
_YIELD_EVERY: Final = 500

broker_wait_option: Final = click.option(
    "--wait",
    "give_up_s",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="Seconds to wait for a broker that is away before giving up.",
)


class ProgressMeter:
    """A progress bar on a terminal, and nothing in a pipe. `of`: what stands for all of it; None where nobody knows.

    If it is `quiet`, it draws and says nothing.
    """

    def __init__(self, title: str, of: float | None, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._shown = sys.stderr.isatty() and not quiet
        bars = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn()) if of is not None else ()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            *bars,
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
            transient=True,
            disable=not self._shown,
        )
        self._of = of
        self._task = self._progress.add_task(title, total=None, note="")  # until it is known how far it is
        self._last = 0.0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def is_due(self) -> bool:
        """Tell whether there is a bar and it should move: at most five times a second."""
        return self._shown and time.monotonic() - self._last > _EVERY_S

    def show(self, done: float | None, note: str) -> None:
        """Move the bar; `done` is None while nobody knows how much of it there is."""
        self._last = time.monotonic()
        self._progress.update(self._task, total=None if done is None else self._of, completed=done, note=note)

    def say(self, line: str) -> None:
        """Write a line to stderr, above the bar where there is one."""
        if self._shown:
            self._progress.console.print(line, highlight=False, markup=False)
        elif not self._quiet:
            click.echo(line, err=True)


@dataclass
class Pace:
    """Events are due at their own times, `speed` times as fast."""

    speed: float = 1.0
    #: An event's time and when it is due, in UTC milliseconds; None: the first event is due at once.
    begins: tuple[int, int] | None = None

    def ahead_s(self, at_ms: int) -> float:
        """Return how long it is until an event is due; negative where that is past."""
        now = now_ms()
        first_ms, began_ms = self.begins = self.begins or (at_ms, now)
        return (began_ms + (at_ms - first_ms) / self.speed - now) / 1000


def send_events(
    producer: EventProducer,
    meter: ProgressMeter,
    events: Iterable[RoutedEvent],
    pace: Pace | None,
    summary: Callable[[], str],
) -> str:
    """Send events, without a pace as fast as can be, until Ctrl-C or SIGTERM; returns how many went where, in a line.

    Ends the command with 3 where the broker or its topics are not there, with 1 where it declines a record. `summary`
    says how many were acknowledged by then, and how to continue.
    """
    from streams.kafka.brokers import BrokerUnreachableError
    from streams.sources.event_producer import ProduceError

    try:
        with meter:
            seconds = asyncio.run(_connect_and_send(producer, events, pace))
    except BrokerUnreachableError as error:
        fail(f"{error}{f'; {summary()}' if producer.connected else ''}", Exit.UNREACHABLE)
    except ProduceError as error:
        fail(str(error), Exit.NO)
    total = producer.sent.total()
    by_topic = ", ".join(f"{topic} {count:,}" for topic, count in sorted(producer.sent.items()))
    a_second = f" ({total / seconds:,.0f} a second)" if seconds >= 1 else ""
    return f"sent {total:,} events in {seconds:.1f} s{a_second}{': ' if by_topic else ''}{by_topic}"


async def _connect_and_send(producer: EventProducer, events: Iterable[RoutedEvent], pace: Pace | None) -> float:
    """Send events; returns how long it took from the connection on."""
    from streams.kafka.brokers import BrokerUnreachableError

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.set_exception_handler(_ignore_kafka_errors)
    asked_at = 0.0
    try:
        async with asyncio.timeout(None) as limit:

            def end() -> None:
                """Finish what is under way, unless the broker is not there to take it; asked again, end at once."""
                nonlocal asked_at
                last_s = 0.0 if stop.is_set() else _FLUSH_WITHIN_S
                asked_at = asked_at or loop.time()
                stop.set()
                with contextlib.suppress(RuntimeError):  # the time is up already
                    limit.reschedule(loop.time() + last_s)

            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, end)
            async with producer:
                began = loop.time()
                await _send(producer, events, pace, stop)
            return loop.time() - began
    except TimeoutError:
        raise BrokerUnreachableError(producer.brokers, round(loop.time() - asked_at)) from None


async def _send(producer: EventProducer, events: Iterable[RoutedEvent], pace: Pace | None, stop: asyncio.Event) -> None:
    for count, event in enumerate(events):
        ahead_s = 0.0 if pace is None or event.at is None else pace.ahead_s(event.at)
        if ahead_s > 0:
            with contextlib.suppress(TimeoutError):  # what is due within 5 ms goes out together
                # Not `wait_for`: in Python 3.11 it loses a cancellation that comes together with the event.
                async with asyncio.timeout(max(ahead_s, 0.005)):
                    await stop.wait()
        elif count % _YIELD_EVERY == 0:
            await asyncio.sleep(0)
        if stop.is_set():
            return
        await producer.send(event.topic, event.key, event.value, event.origin)


def _ignore_kafka_errors(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Ignore Kafka errors of batches that nobody awaits: the producer has reported the lost broker already."""
    from aiokafka.errors import KafkaError

    if not isinstance(context.get("exception"), KafkaError):
        loop.default_exception_handler(context)
