"""Exit codes: the same for every command and every part."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How a process ends."""

    DONE = 0
    #: It ran, and the answer is no.
    NO = 1
    #: Arguments or settings cannot be used.
    UNUSABLE = 2
    #: Something that is needed cannot be reached.
    UNREACHABLE = 3
    #: A bug in our own code.
    BUG = 70
