"""Makes a body small enough: leaves out contacts, the last of the list first, then shortens texts."""

from collections.abc import Callable
from typing import Any, Final

import orjson

from schemas.alerts import CONTACTS_AT_MOST

#: How many characters of a text are shown: first the wanted length, last one that always fits.
TEXT_LENGTHS: Final = (500, 200, 80)


def fitted(build: Callable[[int, int], Any], most: int) -> bytes:
    """Return the JSON of the largest body that has at most `most` bytes.

    `build` makes a body with at most so many contacts, and so many characters in each text.
    """
    body = b""
    for length in TEXT_LENGTHS:
        for contacts in range(CONTACTS_AT_MOST, -1, -1):
            body = orjson.dumps(build(contacts, length))
            if len(body) <= most:
                return body
    return body
