"""The watchdog: a thread that logs what is stuck and where in the code, a blocked event loop too.

It ends the process only after a time above every time limit. `activities` decides what is stuck.
"""

import asyncio
import gc
import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any, Final

from streams.assignment.failures import During, react
from streams.monitoring import activities as core
from streams.monitoring.activities import Activities, Activity, Phase, StuckActivity, Watch, longest_beyond

#: How often it checks.
CHECK_EVERY_S: Final = 1.0

_ROOT: Final = Path(__file__).resolve().parents[2]
_OURS: Final = frozenset({"dashboards", "deploy", "schemas", "sinks", "streams"})

#: How coroutines, generators and async generators name what they wait for, by how they name their frame.
_KINDS: Final = {"cr": "cr_await", "gi": "gi_yieldfrom", "ag": "ag_await"}
_FOLLOWED: Final = (CoroutineType, GeneratorType, AsyncGeneratorType, asyncio.Task)

#: One thread at a time lists frames: another one would start the garbage collector while this one has stopped it.
_LISTING: Final = threading.Lock()

_LOG: Final = logging.getLogger(__name__)


@contextmanager
def watched(activities: Activities) -> Iterator[None]:
    """Watch this event loop and the activities while the block runs."""
    stopping, loop = threading.Event(), asyncio.get_running_loop()
    with activities.during(Phase.IN_CODE, "the event loop") as heartbeat:
        heartbeat.task = None  # its stack is its thread's
        watch = threading.Thread(
            target=_watch, args=(activities, loop, heartbeat, stopping), name="watchdog", daemon=True
        )
        watch.start()
        try:
            yield
        finally:
            stopping.set()
            watch.join()


def _watch(
    activities: Activities, loop: asyncio.AbstractEventLoop, heartbeat: Activity, stopping: threading.Event
) -> None:
    def beat() -> None:
        heartbeat.since = activities.now()

    watch = Watch(activities)
    while not stopping.wait(CHECK_EVERY_S):
        loop.call_soon_threadsafe(beat)
        stuck_now, resumed = watch.check()
        for line in resumed:
            _LOG.warning("%s", line)
        for stuck in stuck_now:
            _LOG.warning("%s", line_of(stuck))
            if stuck.activity is heartbeat:
                stack = traceback.format_stack(_frame(heartbeat.thread))
                _LOG.warning("the event loop's thread stands at\n%s", "".join(stack))
        if last := longest_beyond(activities.stuck(), core.END_AFTER_S):
            react(During.WATCHING, TimeoutError(line_of(last)))


def line_of(stuck: StuckActivity) -> str:
    """Say in one line what is stuck, and where in the code."""
    return stuck.line(_where(stuck.activity))


def health_line(activities: Activities, *, after_s: float = 0.0) -> str | None:
    """Say what is stuck for longest, if for longer than `after_s`; None where nothing is."""
    stuck = activities.stuck()
    found = longest_beyond(stuck, after_s) if after_s else next(iter(stuck), None)
    return line_of(found) if found else None


def _where(activity: Activity) -> str:
    """Name the innermost line of Pulssi's own code that an activity is in: file, line, function."""
    frames = list(_awaited(activity.task)) if activity.task else []
    if not frames:  # it runs at this moment, or is no task
        innermost = _frame(activity.thread)
        frames = [frame for frame, _ in traceback.walk_stack(innermost)][::-1] if innermost else []
    if not frames:
        return "its thread has ended"
    ours = [frame for frame in frames if _path(frame).as_posix().partition("/")[0] in _OURS]
    frame = (ours or frames)[-1]
    return f"{_path(frame)}:{frame.f_lineno} {frame.f_code.co_name}"


def _frame(thread: int) -> FrameType | None:
    """Return the innermost frame of a thread; None where the thread has ended.

    Python 3.11 holds a lock while it lists the frames of all threads. A garbage collection in that time may let another
    thread run, which waits for the lock: the process hangs (python/cpython#106883). So nothing is collected meanwhile.
    """
    with _LISTING:
        collecting = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames().get(thread)  # noqa: SLF001 - the only way to a thread's stack
        finally:
            if collecting:
                gc.enable()


def _path(frame: FrameType) -> Path:
    path = Path(frame.f_code.co_filename)
    return path.relative_to(_ROOT) if path.is_relative_to(_ROOT) else path


def _awaited(task: asyncio.Task[Any]) -> Iterator[FrameType]:
    """Yield the frames in which a task waits, the innermost last; none where it runs. `Task.get_stack` gives one."""
    awaited: Any = task
    followed: set[int] = set()
    while awaited is not None and id(awaited) not in followed and not getattr(awaited, "cr_running", False):
        followed.add(id(awaited))
        if isinstance(awaited, asyncio.Task):
            awaited = awaited.get_coro()
        elif kind := next((kind for kind in _KINDS if hasattr(awaited, f"{kind}_frame")), None):
            if frame := getattr(awaited, f"{kind}_frame"):
                yield frame
            awaited = getattr(awaited, _KINDS[kind])
        else:  # what `__await__` returned: Faust's agents are awaited by it, and async generators
            awaited = next((each for each in gc.get_referents(awaited) if isinstance(each, _FOLLOWED)), None)
