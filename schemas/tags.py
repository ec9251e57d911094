"""Tags in normal form: as they are compared, counted and written down in a taxonomy."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from schemas.policies import Taxonomy

_CACHED_TAGS: Final = 65_536


@lru_cache(maxsize=_CACHED_TAGS)
def normal(tag: str) -> str:
    """Trim a tag and fold its case and its compatibility forms."""
    return unicodedata.normalize("NFKC", tag).casefold().strip()


def taxonomy(names: Iterable[str], aliases: Mapping[str, str]) -> Taxonomy:
    """Make a taxonomy of tags as people write them."""
    of = {normal(alias): normal(tag) for alias, tag in aliases.items()}
    return Taxonomy(frozenset(map(normal, names)), of)
