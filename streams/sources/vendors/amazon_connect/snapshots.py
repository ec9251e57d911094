"""Reads legs out of contact events (EventBridge) and contact records (Kinesis), which tell the same in other words."""

from typing import Final

from streams.sources.adapter import UnmappableError
from streams.sources.vendor_values import (
    Json,
    JsonObject,
    number_at,
    object_at,
    optional_text_at,
    text_at,
    time_at,
    value_at,
)
from streams.sources.vendors.amazon_connect.legs import Leg

#: The field that each event is about; old samples have no times but that of the envelope.
_OWN_TIME: Final = {
    "INITIATED": "initiationTimestamp",
    "QUEUED": "queueInfo.enqueueTimestamp",
    "CONNECTED_TO_AGENT": "agentInfo.connectedToAgentTimestamp",
    "DISCONNECTED": "disconnectTimestamp",
}
#: Other events that are snapshots of the contact too.
_SNAPSHOTS: Final = frozenset({"CONNECTED_TO_SYSTEM", "CONTACT_DATA_UPDATED", "COMPLETED", "PAUSED", "RESUMED"})
_LEVELS: Final = ("level1", "level2", "level3", "level4", "level5")


def leg_of_event(event: JsonObject) -> Leg | None:
    """Read a contact event; None where its type says nothing about how the contact goes."""
    detail = object_at(event, "detail")
    kind = text_at(detail, "eventType").upper()
    if kind not in _OWN_TIME and kind not in _SNAPSHOTS:
        return None
    own = _OWN_TIME.get(kind, "")

    def moment(path: str) -> str:
        if path == own and value_at(detail, path) in (None, ""):
            return time_at(event, "time")
        return _time(detail, path)

    agent = value_at(detail, "agentInfo") or {}
    return Leg(
        *_ids(detail),
        initiated=moment("initiationTimestamp"),
        enqueued=moment("queueInfo.enqueueTimestamp"),
        queue_arn=optional_text_at(detail, "queueInfo.queueArn"),
        queue_type=optional_text_at(detail, "queueInfo.queueType").upper(),
        agent_arn=optional_text_at(detail, "agentInfo.agentArn"),
        groups=_groups(agent),
        connected=moment("agentInfo.connectedToAgentTimestamp"),
        disconnected=moment("disconnectTimestamp"),
        reason=optional_text_at(detail, "disconnectReason").upper(),
        hold_s=_seconds(detail, "agentInfo.agentInitiatedHoldDuration"),
        wrap_began=_time(detail, "agentInfo.afterContactWorkStartTimestamp"),
        wrap_ended=_time(detail, "agentInfo.afterContactWorkEndTimestamp"),
        customer=optional_text_at(detail, "customerId"),
    )


def leg_of_record(record: JsonObject) -> Leg:
    """Read a contact record; its interaction does not include holds, so that nothing is taken from its durations."""
    address = optional_text_at(record, "customerEndpoint.address")
    replies = ("chatMetrics.chatContactMetrics", "chatMetrics.contactMetrics")
    first_reply = next(filter(None, (_time(record, f"{path}.agentFirstResponseTimestamp") for path in replies)), "")
    return Leg(
        *_ids(record),
        initiated=time_at(record, "initiationTimestamp"),
        enqueued=_time(record, "queue.enqueueTimestamp"),
        queue_arn=optional_text_at(record, "queue.arn"),
        queue_type="",
        agent_arn=optional_text_at(record, "agent.arn"),
        groups=_groups(value_at(record, "agent") or {}),
        connected=_time(record, "agent.connectedToAgentTimestamp"),
        disconnected=_time(record, "disconnectTimestamp"),
        reason=optional_text_at(record, "disconnectReason").upper(),
        hold_s=_seconds(record, "agent.customerHoldDuration"),
        wrap_began=_time(record, "agent.afterContactWorkStartTimestamp"),
        wrap_ended=_time(record, "agent.afterContactWorkEndTimestamp"),
        first_reply=first_reply,
        customer=optional_text_at(record, "customerId") or address,
        followed=bool(optional_text_at(record, "nextContactId")),
    )


def _ids(within: JsonObject) -> tuple[str, str, str, str, str]:
    return (
        text_at(within, "contactId"),
        optional_text_at(within, "initialContactId"),
        optional_text_at(within, "previousContactId"),
        text_at(within, "channel").upper(),
        text_at(within, "initiationMethod").upper(),
    )


def _time(within: Json, path: str) -> str:
    return "" if value_at(within, path) in (None, "") else time_at(within, path)


def _seconds(within: Json, path: str) -> float:
    if value_at(within, path) in (None, ""):
        return 0
    found = number_at(within, path)
    if found < 0:
        raise UnmappableError(path, "must not be negative")
    return found


def _groups(agent: Json) -> tuple[str, ...]:
    found = (optional_text_at(agent, f"hierarchyGroups.{level}.arn") for level in _LEVELS)
    return tuple(group for group in found if group)
