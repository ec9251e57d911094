"""What commands that put events into Kafka share: a producer, a clean end on Ctrl-C, progress, and the last line."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeAlias

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from deploy.cli.common import fail
from schemas.exits import Exit
from schemas.settings import Settings

if TYPE_CHECKING:
    from streams.sources.producing import EventProducer

_EVERY_S: Final = 0.2
#: How long the end waits for acknowledgements once somebody asked for it.
_LAST_S: Final = 5.0

wait_option: Final = click.option(
    "--wait",
    "give_up_s",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="Seconds to wait for a broker that is away before giving up.",
)


class Meter:
    """A progress bar on a terminal, and nothing in a pipe. `of`: what stands for all of it; None where nobody knows."""

    def __init__(self, title: str, of: float | None) -> None:
        self._shown = sys.stderr.isatty()
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
        self._task = self._progress.add_task(title, total=of, note="")
        self._last = 0.0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def due(self) -> bool:
        """Tell whether there is a bar and it should move: at most five times a second."""
        return self._shown and time.monotonic() - self._last > _EVERY_S

    def show(self, done: float, note: str) -> None:
        """Move the bar."""
        self._last = time.monotonic()
        self._progress.update(self._task, completed=done, note=note)

    def say(self, line: str) -> None:
        """Write a line to stderr, above the bar where there is one."""
        if self._shown:
            self._progress.console.print(line, highlight=False, markup=False)
        else:
            click.echo(line, err=True)


class Sent(NamedTuple):
    """Acknowledged events by topic, and how long it took from the connection on."""

    by_topic: Mapping[str, int]
    seconds: float


Feed: TypeAlias = "Callable[[EventProducer, asyncio.Event], Awaitable[None]]"
HowFar: TypeAlias = "Callable[[EventProducer], str]"


async def _feed(producer: EventProducer, brokers: str, go: Feed) -> Sent:
    from streams.brokers import BrokerUnreachableError  # noqa: PLC0415 - Kafka's clients: a second of imports

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_without_the_clients_own)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    began = loop.time()

    async def work() -> None:
        nonlocal began
        async with producer:
            began = loop.time()
            await go(producer, stop)

    working = asyncio.ensure_future(work())
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            # Asked to end: what is under way is finished, unless the broker is not there to take it.
            await asyncio.wait({working}, timeout=_LAST_S)
            if not working.done():
                working.cancel()
                await asyncio.wait({working})
                raise BrokerUnreachableError(brokers, _LAST_S)
        await working
    finally:
        stopping.cancel()
    return Sent(producer.sent, loop.time() - began)


def _without_the_clients_own(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Ignore Kafka errors of batches that nobody awaits: the producer has reported the lost broker already."""
    from aiokafka.errors import KafkaError  # noqa: PLC0415 - not for `--help`

    if not isinstance(context.get("exception"), KafkaError):
        loop.default_exception_handler(context)


def feed(settings: Settings, client: str, meter: Meter, give_up_s: float, go: Feed, how_far: HowFar) -> Sent:
    """Run `go` with a producer and an event that Ctrl-C or SIGTERM sets; returns what was acknowledged.

    Ends the command with 3 where the broker or its topics are not there, with 1 where it declines a record. `how_far`
    says what was acknowledged then, and how to continue.
    """
    from streams.brokers import BrokerUnreachableError  # noqa: PLC0415 - Kafka's clients: a second of imports
    from streams.sources.producing import EventProducer, ProduceError, TopicsMissingError  # noqa: PLC0415 - as above

    producer = EventProducer(settings, meter.say, give_up_s=give_up_s, client=client)
    try:
        with meter:
            return asyncio.run(_feed(producer, settings.kafka_brokers, go))
    except TopicsMissingError as error:
        fail(str(error), Exit.UNREACHABLE)
    except BrokerUnreachableError as error:
        fail(f"{error}{f'; {how_far(producer)}' if producer.connected else ''}", Exit.UNREACHABLE)
    except ProduceError as error:
        fail(str(error), Exit.NO)


def summary(sent: Sent) -> str:
    """Tell in a line how many events went where."""
    total = sum(sent.by_topic.values())
    by_topic = ", ".join(f"{topic} {count:,}" for topic, count in sorted(sent.by_topic.items()) if count)
    pace = f" ({total / sent.seconds:,.0f} a second)" if sent.seconds >= 1 else ""
    return f"sent {total:,} events in {sent.seconds:.1f} s{pace}{': ' if by_topic else ''}{by_topic}"
