"""One spelling for Amazon Connect's names: contact events have camelCase, records PascalCase, old samples both."""

from typing import Final

from streams.sources.vendor_values import Json

_NAMES: Final = (
    *("eventType", "contactId", "initialContactId", "previousContactId", "nextContactId", "channel", "customerId"),
    *("initiationMethod", "initiationTimestamp", "disconnectTimestamp", "disconnectReason", "detail", "time"),
    *("queueInfo", "queueArn", "queueType", "enqueueTimestamp", "agentInfo", "agentArn", "connectedToAgentTimestamp"),
    *("agentInitiatedHoldDuration", "customerHoldDuration", "afterContactWorkStartTimestamp", "hierarchyGroups"),
    *("afterContactWorkEndTimestamp", "queue", "agent", "arn", "customerEndpoint", "address", "chatMetrics"),
    *("chatContactMetrics", "contactMetrics", "agentFirstResponseTimestamp", "eventId", "eventTimestamp", "name"),
    *("currentAgentSnapshot", "agentStatus", "type", "contacts", "state", "stateStartTimestamp", "configuration"),
    *("agentHierarchyGroups", "routingProfile", "concurrency", "maximumSlots", "level1", "level2", "level3"),
    *("level4", "level5", "lastUpdateTimestamp", "detail-type"),
)
_SPELLED: Final = {name.casefold(): name for name in _NAMES}


def respelled(value: Json) -> Json:
    """Spell the names that are read in one way; where two spellings of one name are there, what is not null counts."""
    if isinstance(value, list):
        return [respelled(each) for each in value]
    if not isinstance(value, dict):
        return value
    made: dict[str, Json] = {}
    for name, each in value.items():
        spelled = str(_SPELLED.get(name.casefold(), name))
        if made.get(spelled) is None:
            made[spelled] = respelled(each)
    return made


def id_of(arn: str) -> str:
    """Return the last part of an ARN: the id of an agent, a group or a queue."""
    return arn.rpartition("/")[2]
