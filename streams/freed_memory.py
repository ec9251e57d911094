"""Giving freed memory back to the operating system: the C library keeps what its threads freed, a heap for each."""

import ctypes
from functools import cache
from typing import Any


@cache
def _trim() -> Any:  # noqa: ANN401 - a function of the C library; None where it has none, as musl
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def give_back() -> None:
    """Give back what is free in all heaps. It takes milliseconds: for a thread, after much was freed."""
    trim = _trim()
    if trim is not None:
        trim(0)
