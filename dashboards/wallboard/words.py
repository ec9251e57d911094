"""The words of the wallboard's pages that need no script, in the reader's language.

They are in the same PO files as the words of the page. English stands in the code; a message without a translation is
said in English.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

#: The languages of the wallboard, each by its own name.
LANGUAGES: Final = {"en": "English", "fi": "Suomi", "nb": "Norsk bokmål", "sv": "Svenska"}
DEFAULT: Final = "en"
#: Other tags of the same language.
_OTHER_TAGS: Final = {"no": "nb", "nn": "nb"}
#: A browser names a handful.
_TAGS_AT_MOST: Final = 30
_QUALITY: Final = re.compile(r"q=([01](?:\.[0-9]{0,3})?)")


def known(tag: str) -> str | None:
    """Return the wallboard's language for a tag such as `sv-FI`; None if it has none."""
    short = tag.strip().lower().replace("_", "-").partition("-")[0]
    language = _OTHER_TAGS.get(short, short)
    return language if language in LANGUAGES else None


def accepted(header: str) -> str:
    """Choose by `Accept-Language` the preferred one of the wallboard's languages."""
    best, weight = DEFAULT, 0.0
    for part in header.split(",")[:_TAGS_AT_MOST]:
        tag, _, rest = part.partition(";")
        language, liked = known(tag), _quality(rest)
        if language is not None and liked > weight:
            best, weight = language, liked
    return best


def _quality(rest: str) -> float:
    """Read the preference (`q`) of a language, from 0 to 1; 0 if it cannot be read."""
    if not rest:
        return 1.0
    found = _QUALITY.fullmatch(rest.replace(" ", ""))
    return 0.0 if found is None else float(found[1])


class Words:
    """Says messages in one language."""

    def __init__(self, language: str) -> None:
        """`language`: one of LANGUAGES."""
        self.language = language

    def t(self, text: str) -> str:
        """Say a message."""
        said = _messages(self.language).get(text, text)
        return said if isinstance(said, str) else text

    def tn(self, one: str, other: str, many: int) -> str:
        """Say a message that depends on a number, which stands for `{n}` in it."""
        forms = _messages(self.language).get(one)
        named = forms if isinstance(forms, dict) else {"one": one, "other": other}
        return named["one" if many == 1 else "other"].replace("{n}", str(many))


@cache
def _messages(language: str) -> Mapping[str, str | Mapping[str, str]]:
    text = files(__package__).joinpath(f"page/messages/{language}.json").read_text("utf-8")
    messages: Mapping[str, str | Mapping[str, str]] = json.loads(text)["messages"]
    return messages
