"""Text of strangers, made fit for a log or a terminal, which would obey some of its letters."""

from typing import Final

#: What may stand in a text of several lines.
LINES: Final = frozenset("\n\t")
_NOTHING: Final[frozenset[str]] = frozenset()


def printable(text: str, but: frozenset[str] = _NOTHING) -> str:
    """Spell out the letters that no printer shows, such as ESC and line ends, as Python does; those of `but` stay."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in but else each.encode("unicode_escape").decode("ascii") for each in text
    )
