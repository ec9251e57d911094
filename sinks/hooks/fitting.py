"""Makes a body fit: contacts are left out, the cheapest first, then texts are cut shorter, until it is small enough."""

from collections.abc import Callable
from typing import Any, Final

import orjson

from schemas.alerts import CONTACTS_AT_MOST

#: How many characters of a text are shown, from what is wanted to what always fits.
TEXT_LENGTHS: Final = (500, 200, 80)


def fitted(build: Callable[[int, int], Any], most: int) -> bytes:
    """Give the JSON of the largest body of at most that many bytes.

    `build` makes one with at most so many contacts and so many characters in each text.
    """
    body = b""
    for length in TEXT_LENGTHS:
        for contacts in range(CONTACTS_AT_MOST, -1, -1):
            body = orjson.dumps(build(contacts, length))
            if len(body) <= most:
                return body
    return body
