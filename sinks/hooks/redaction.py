"""Decides what may be stored and logged of an attempt: never a secret, and never the text of an unexpected error."""

import re
import traceback
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, unquote_plus, urlsplit

from pydantic import SecretStr

from sinks.hooks.answers import Answer, NoAnswerError
from sinks.hooks.destinations import Destination

#: Shorter texts are no secrets, and removing them would leave too little of an answer.
_SECRET_AT_LEAST: Final = 6
#: What an address puts between the parts of its path and of its query: a server may repeat any one of these.
_BETWEEN_PIECES: Final = re.compile(r"[/?&=;,:@#]")
#: How many calls of an error's stack are named, the innermost last.
_CALLS_NAMED: Final = 4


def without_secrets(answer: Answer | NoAnswerError, destination: Destination) -> Answer | NoAnswerError:
    """Remove the destination's secrets from its answer: some servers repeat the path that they do not have.

    It must get the whole text, before it is shortened: a secret that is cut in two would not be found.
    """
    if isinstance(answer, NoAnswerError):
        return answer
    url = destination.url.get_secret_value()
    parts = urlsplit(url)
    pieces = _BETWEEN_PIECES.split(f"{parts.path}/{parts.query}/{parts.fragment}")
    texts = [url, destination.password, *pieces, *map(SecretStr.get_secret_value, destination.secrets)]
    # A server may have decoded what it repeats.
    forms = {form for text in texts for form in (text, unquote(text), unquote_plus(text), quote(text, safe=""))}
    said = answer.text
    for form in sorted(forms, key=len, reverse=True):
        if len(form) >= _SECRET_AT_LEAST:
            said = said.replace(form, "…")
    return answer._replace(text=said)


def place_of(error: BaseException) -> str:
    """Return an error's type, and the file, line and function of its innermost calls.

    Its text is left out: it may contain an address, a key, or a name from an event.
    """
    calls = traceback.extract_tb(error.__traceback__)[-_CALLS_NAMED:]
    named = (f"{Path(call.filename).name}:{call.lineno} {call.name}" for call in calls)
    return f"{type(error).__name__} at {' > '.join(named)}"
