"""Says which accounts can be followed, and finds their followers."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from schemas.configuration.source_models import SOURCES, SourceEntry, SourceName
from streams.sources.following.follower import Follower


def follower_of(source: SourceName) -> Follower | None:
    """Return the follower of a source; None if it cannot be followed."""
    module = f"streams.sources.following.{source}"
    if find_spec(module) is None:
        return None
    follower: Follower = import_module(module).FOLLOWER
    return follower


#: An account is followed if its entry has one of these keys.
_FOLLOWED_BY: Final[dict[SourceName, tuple[str, ...]]] = {
    "asterisk": ("path", "database_env", "database_file"),
    "email": ("path", "url_imap"),
    "giosg": ("url",),
    "mapping": ("path",),
    "puzzel": ("database_env", "database_file", "customer_key"),
}


def is_followed(entry: SourceEntry) -> bool:
    """Tell whether an account is followed: its source has a follower, and the entry says what to follow.

    An account that is only imported, or only sends hooks, names none of these keys.
    """
    named = any(getattr(entry, key) for key in _FOLLOWED_BY.get(entry.source, ()))
    return named and follower_of(entry.source) is not None


def would_be_followed(written: Mapping[str, Any]) -> bool:
    """Tell whether a faulty entry, as written, would be followed without its faults; true if its source is unknown."""
    source = written.get("source")
    return source not in SOURCES or any(written.get(key) for key in _FOLLOWED_BY.get(source, ()))
