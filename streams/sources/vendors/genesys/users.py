"""What `v2.users.{id}.activity` says about a user: a snapshot of presence and routing status.

The fields are those that published clients read. Genesys' own page about them was not seen, so unknown values are
refused.
"""

import re
from collections.abc import Mapping
from typing import Final

from schemas.events import Status
from streams.sources.adapter import AccountRules, Mapped, UnmappableError
from streams.sources.contact_events import agent_status
from streams.sources.vendor_values import JsonObject, optional_text_at, text_at, time_at, value_at
from streams.sources.vendors.genesys.media import plain

_TOPIC: Final = re.compile(r"v2\.users\.([^.]+)\.activity")
_STATUSES: Final[Mapping[str, Status]] = {
    "IDLE": "available",
    "INTERACTING": "busy",
    "COMMUNICATING": "busy",
    "NOTRESPONDING": "away",
    "OFFQUEUE": "away",
}
#: When each part of the snapshot began.
_TIMES: Final = ("routingStatus.startTime", "presence.modifiedDate")


def map_user_activity(topic: str, body: JsonObject, account: AccountRules) -> Mapped | None:
    """Map a user's activity; None where the topic is another."""
    found = _TOPIC.fullmatch(topic)
    if found is None:
        return None
    user = optional_text_at(body, "id") or found.group(1)
    if user in account.bots:
        return Mapped(nothing="activity: of a bot's user")
    presence = optional_text_at(body, "presence.presenceDefinition.systemPresence").casefold()
    routing = optional_text_at(body, "routingStatus.status")
    if not routing and presence != "offline":
        return Mapped(nothing="activity: no routing status")
    status: Status | None = (
        "offline" if presence == "offline" else _STATUSES.get(plain(text_at(body, "routingStatus.status")))
    )
    if status is None:
        raise UnmappableError("routingStatus.status", f"{routing[:32]} is no routing status that is known")
    times = [time_at(body, path) for path in _TIMES if value_at(body, path) not in (None, "")]
    if not times:
        raise UnmappableError("routingStatus.startTime", "is missing, and presence.modifiedDate too")
    reason = "" if status != "away" else "not responding" if plain(routing) == "NOTRESPONDING" else presence
    at = max(times)
    return Mapped((agent_status(account, user, status, at, "activity", at, status, reason, reason=reason[:256]),))
