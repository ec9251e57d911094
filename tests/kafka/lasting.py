"""A thread that lasts as long as the run.

A broker dies with the thread that started it, so that none outlives a killed run; started from a worker thread of some
event loop it would die when that loop is done.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_LASTING: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lasting")


def lasting(call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Call from the lasting thread and wait for the result."""
    return _LASTING.submit(call, *args, **kwargs).result()
