"""The embedded stack: a broker and ClickHouse from wheels, and the parts of Pulssi beside them."""


class UnavailableError(RuntimeError):
    """Something that the stack needs is not there; the message is one line with the fix. A command ends with 3."""
