"""How many examples property tests try: all of them in `make test-all`, a third in `make test`."""

from typing import Final

_SHARE: Final = 3
_shallow: list[bool] = []


def be_shallow() -> None:
    """Try a third from here on: called before tests are read."""
    _shallow.append(True)


def examples(most: int) -> int:
    """Say how many of so many examples this run tries."""
    return most // _SHARE if _shallow else most
