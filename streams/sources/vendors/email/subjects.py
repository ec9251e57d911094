"""What a subject says of the thread: its topic, without what replies and systems put around it, and our own token.

Topics are compared only between mails that name each other, so cutting too much does no harm: a reply with another
topic than the mail it answers is an old mail that somebody used for a new case.
"""

import re
import unicodedata
from typing import Final

_CHARACTERS: Final = 500
_ROUNDS: Final = 40
#: "Re:", "SV:", "VS:", "Vast:", "WG[2]:", "AW (3):" and whatever else languages have for it.
_PREFIX: Final = re.compile(r"\s*[^\W\d_]{2,5}\s?(?:\[\d{1,4}\]|\(\d{1,4}\))?\s?[:\uff1a]")
#: "[EXTERNAL]", "[Ticket#12]", and the same at the end.
_TAG_BEFORE: Final = re.compile(r"\s*\[[^\[\]]{0,60}\]")
_TAG_BEHIND: Final = re.compile(r"\[[^\[\]]{0,60}\]$")


def topic_of(subject: str) -> str:
    """Return a subject without prefixes of replies and tags in brackets; in one writing."""
    text = " ".join(unicodedata.normalize("NFKC", subject[:_CHARACTERS]).casefold().split())
    for _ in range(_ROUNDS):
        before = text
        if found := _PREFIX.match(text) or _TAG_BEFORE.match(text):
            text = text[found.end() :]
        if found := _TAG_BEHIND.search(text.rstrip()):
            text = text[: found.start()]
        text = text.strip()
        if text == before:
            break
    return text


def token_of(subject: str, token: str) -> str:
    """Return the number behind our token in a subject, such as 4711 of "[Ticket#4711] Re: Bill"; else nothing."""
    if not token:
        return ""
    found = re.search(re.escape(token.casefold()) + r"\s?(\d{1,20})", subject[:_CHARACTERS].casefold(), re.ASCII)
    return "" if found is None else found.group(1)
