"""Exit codes, the same for every command and every part, and how a part ends with one."""

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
    #: A producer, an opening or something else hung; the process can be started again.
    STUCK = 71


class EndError(Exception):
    """A process must end: the message says why, in one line, and what to do; `code` is its exit code."""

    def __init__(self, why: str, code: Exit) -> None:
        super().__init__(why)
        self.code = code
