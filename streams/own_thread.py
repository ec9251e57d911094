"""Runs a call that may hang for long in a thread of its own.

The threads of `asyncio.to_thread` are few, and the process waits for them at its end: a few servers that hang would
hold up all other accounts, and the end.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any, TypeVar

_Result = TypeVar("_Result")


async def in_own_thread(call: Callable[[], _Result]) -> _Result:
    """Return what a call returns. Cancelled, it does not wait for the call, whose result is then dropped."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_Result] = loop.create_future()

    def tell(note: Callable[[Any], None], what: object) -> None:
        if not done.done():
            note(what)

    def run() -> None:
        note: Callable[[Any], None] = done.set_result
        what: object
        try:
            what = call()
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            note, what = done.set_exception, error
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell, note, what)

    Thread(target=run, name="own", daemon=True).start()
    return await done
