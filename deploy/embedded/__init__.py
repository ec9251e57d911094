"""The embedded stack: a broker and ClickHouse from wheels, and the parts of Pulssi that run with them."""

from schemas.exits import EndError, Exit


class UnavailableError(EndError):
    """Something that the stack needs is not there; the message is one line with the fix. A command ends with 3."""

    def __init__(self, why: str) -> None:
        super().__init__(why, Exit.UNREACHABLE)


class UnusableError(EndError):
    """A setting, program or folder cannot be used; the message is one line with the fix. A command ends with 2."""

    def __init__(self, why: str) -> None:
        super().__init__(why, Exit.UNUSABLE)
