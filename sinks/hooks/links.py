"""Fills the templates of links: what is put in is percent-encoded, so that it cannot lead to another host or path."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from schemas.alerts import Alert
from schemas.configuration.hook_models import Links

#: A longer link is left out: destinations refuse messages with one.
_LENGTH_AT_MOST: Final = 2_000
#: Segments of a path that browsers resolve away, encoded or not.
_DOTS: Final = frozenset({".", ".."})


def alert_link(template: str | None, alert: Alert) -> str | None:
    """Fill the template of a dashboard's or runbook's link."""
    dimensions = alert.dimensions
    return _filled(
        template,
        {
            "rule": alert.rule,
            "kind": alert.kind,
            "condition": alert.condition,
            "channel": dimensions.channel or "",
            "queue": dimensions.queue or "",
            "tag": dimensions.tag or "",
            "alert_id": alert.id,
        },
    )


def conversation_link(links: Links, source: str | None, contact_id: str, channel: str, queue: str) -> str | None:
    """Fill the template of the source that a contact came from; None where it has none."""
    template = None if source is None else links.conversations.get(source)
    own = contact_id.rpartition(":")[2]
    return _filled(template, {"contact_id": contact_id, "id": own, "channel": channel, "queue": queue})


def _filled(template: str | None, values: Mapping[str, str]) -> str | None:
    if template is None:
        return None
    link = template
    for name, value in values.items():
        if value in _DOTS and f"{{{name}}}" in template:
            return None
        # What was put in has no braces any more.
        link = link.replace(f"{{{name}}}", quote(value, safe=""))
    # These end a link in a message, and people may still have written them in a template.
    for mark in '<>|"\\^` ':
        link = link.replace(mark, quote(mark))
    return link if len(link) <= _LENGTH_AT_MOST else None
