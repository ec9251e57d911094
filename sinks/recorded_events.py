"""Events of the archive as they were recorded: in the order in which they occurred, for whoever plays them again.

Reading only, block by block. What people wrote is not in the archive, and changes no number.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from schemas.settings import Settings
from sinks.clickhouse.stored_rows import Span, StoredRows
from streams.sources.recordings import RoutedEvent
from streams.times import rfc3339

#: Numbers that are kept as text, so that no digit is lost.
_NUMBERS = ("score", "scale_max")


def recorded_events(settings: Settings, span: Span) -> Iterator[RoutedEvent]:
    """Yield the events that occurred in a span, UTC milliseconds; some come twice. Raises StoreError."""
    with StoredRows(settings) as stored:
        for topic, contact_id, agent_id, channel, normalised in stored.recorded(span):
            event: dict[str, Any] = orjson.loads(normalised)
            at = event["occurred_at"]
            event |= {"occurred_at": rfc3339(at)} | {name: float(event[name]) for name in _NUMBERS if name in event}
            if contact_id:
                event |= {"contact_id": contact_id, "channel": channel}
            yield RoutedEvent(topic, (contact_id or agent_id).encode(), orjson.dumps(event), at)
