"""What a thread freed goes back to the operating system, though something above it on its heap stays."""

import ctypes
import resource
import threading
from pathlib import Path

import pytest

from streams.freed_memory import give_back

BLOCKS = 2_000
#: Too small for a mapping of its own, too large for Python's own pools.
BLOCK_BYTES = 50_000


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this C library keeps no heaps")
def test_what_a_thread_freed_goes_back() -> None:
    """At least half of what was freed is no longer resident."""
    kept: list[bytearray] = []

    def fill_and_free() -> None:
        blocks = [bytearray(b"x" * BLOCK_BYTES) for _ in range(BLOCKS)]
        kept.append(blocks.pop())

    thread = threading.Thread(target=fill_and_free)
    thread.start()
    thread.join()
    before = _resident()
    give_back()
    assert before - _resident() > BLOCKS * BLOCK_BYTES / 2
