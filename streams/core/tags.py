"""Tags in effect, and the events that put them there."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from schemas.policies import Taxonomy
from streams.core.event import Event
from streams.core.sheet import Dimensions, Sheet

_CACHED_TAGS: Final = 65_536


@lru_cache(maxsize=_CACHED_TAGS)
def normal(tag: str) -> str:
    """Trim a tag and fold its case and its compatibility forms."""
    return unicodedata.normalize("NFKC", tag).casefold().strip()


def taxonomy(names: Iterable[str], aliases: Mapping[str, str]) -> Taxonomy:
    """Make a taxonomy of tags as people write them."""
    of = {normal(alias): normal(tag) for alias, tag in aliases.items()}
    return Taxonomy(frozenset(map(normal, names)), of)


class Tags:
    """A tag counts where it was put on, if it is still there at the end."""

    __slots__ = ("_last", "_sheet", "_taxonomy", "in_effect")

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._taxonomy = sheet.rules.taxonomy
        self._last: tuple[Event, Dimensions] | None = None
        self.in_effect: dict[str, tuple[Event, Dimensions]] = {}

    def put_on(self, event: Event) -> None:
        """`contact.tagged`; a tag already in effect stays where it was put on first."""
        at_event = (event, self._sheet.force.dimensions())
        self._last = at_event
        for tag in event.fields["tags"]:
            self.in_effect.setdefault(self._named(tag), at_event)

    def take_off(self, event: Event) -> None:
        """`contact.untagged`."""
        tags: Iterable[str] = event.fields["tags"]
        for tag in tags:
            self.in_effect.pop(self._named(tag), None)

    def _named(self, tag: str) -> str:
        name = normal(tag)
        return name if self._taxonomy is None else self._taxonomy.aliases.get(name, name)

    def _outcome(self, tag: str) -> str:
        return "known" if self._taxonomy is None or tag in self._taxonomy.names else "unknown"

    def write(self) -> None:
        """Write the samples of the tags in effect."""
        for tag, (event, dimensions) in self.in_effect.items():
            self._sheet.write("tagged", event, tag, tag=tag, outcome=self._outcome(tag), by=dimensions)
        if self.in_effect and self._last is not None:
            event, dimensions = self._last
            self._sheet.write("any_tag", event, "", by=dimensions)
