"""Agent events (Kinesis): each is a snapshot of an agent's status and contacts. Times are ISO 8601 or s since 1970.

A status that people make is never one in which contacts are routed (AWS: "custom"), so an unknown name is `away`.
"""

from collections.abc import Mapping
from typing import Final

from schemas.events import Status
from schemas.topics import Channel
from streams.sources.adapter import AccountRules, Event, Mapped, UnmappableError
from streams.sources.contact_events import ContactEvents, agent_status
from streams.sources.vendor_values import (
    JsonObject,
    list_at,
    number_at,
    object_at,
    optional_text_at,
    text_at,
    time_at,
    value_at,
)
from streams.sources.vendors.amazon_connect.spelling import id_of

_KINDS: Final = frozenset({"LOGIN", "LOGOUT", "STATE_CHANGE", "HEART_BEAT"})
_CHANNELS: Final[Mapping[str, Channel]] = {"VOICE": "call", "CHAT": "chat", "EMAIL": "email"}
_STATUSES: Final[Mapping[str, Status]] = {"available": "available", "offline": "offline"}
_TYPES: Final[Mapping[str, Status]] = {"ROUTABLE": "available", "OFFLINE": "offline", "CUSTOM": "away"}
_AT_WORK: Final = frozenset({"CONNECTED", "CONNECTED_ONHOLD"})
_MOST_SLOTS: Final = 1000


def map_agent_event(event: JsonObject, account: AccountRules) -> Mapped:
    """Map an agent event: the agent's state, and the contacts that the agent missed."""
    kind = text_at(event, "eventType").upper()
    if kind not in _KINDS:
        raise UnmappableError("eventType", f"{kind[:32]} is no agent event")
    agent, at = id_of(text_at(event, "agentArn")), time_at(event, "eventTimestamp")
    event_id = text_at(event, "eventId")
    if kind == "LOGOUT":
        return Mapped((agent_status(account, agent, "offline", at, event_id),))
    snapshot = object_at(event, "currentAgentSnapshot")
    status, reason = _status(snapshot, account)
    contacts = [each for each in list_at(snapshot, "contacts") if isinstance(each, dict)]
    states = {optional_text_at(each, "state").upper() for each in contacts}
    if states & _AT_WORK:
        status, reason = "busy", ""
    elif "ENDED" in states:
        status, reason = "wrap_up", ""
    groups = _groups(snapshot, account)
    state = agent_status(
        account, agent, status, at, event_id, reason=reason, groups=groups, capacity=_capacity(snapshot)
    )
    missed = [_missed(each, agent, account) for each in contacts if optional_text_at(each, "state").upper() == "MISSED"]
    return Mapped((state, *(event for events in missed for event in events)))


def _status(snapshot: JsonObject, account: AccountRules) -> tuple[Status, str]:
    name = text_at(snapshot, "agentStatus.name")
    kind = optional_text_at(snapshot, "agentStatus.type").upper()
    status = account.activities.get(name) or _TYPES.get(kind) or _STATUSES.get(name.casefold()) or "away"
    return status, name[:256] if status == "away" else ""


def _missed(contact: JsonObject, agent: str, account: AccountRules) -> list[Event]:
    """Say that the agent did not take a contact; the state stays in snapshots, so its beginning makes the id."""
    channel = _CHANNELS.get(text_at(contact, "channel").upper())
    if channel is None:
        return []
    leg, at = text_at(contact, "contactId"), time_at(contact, "stateStartTimestamp")
    made = ContactEvents(account, optional_text_at(contact, "initialContactId") or leg, channel)
    made.add("contact.missed", at, leg, "missed", agent, at, agent_id=account.agent_id(agent))
    return made.events


def _groups(snapshot: JsonObject, account: AccountRules) -> list[str] | None:
    found = []
    for level in ("level1", "level2", "level3", "level4", "level5"):
        group = value_at(snapshot, f"configuration.agentHierarchyGroups.{level}")
        if isinstance(group, dict):
            named = account.team_named(id_of(optional_text_at(group, "arn")), optional_text_at(group, "name"))
            found.append(named[:64])
    return [group for group in found if group.strip()] or None


def _capacity(snapshot: JsonObject) -> dict[Channel, int] | None:
    """Read how many contacts of each channel the routing profile lets the agent have at once."""
    slots: dict[Channel, int] = {}
    for each in list_at(snapshot, "configuration.routingProfile.concurrency"):
        channel = _CHANNELS.get(optional_text_at(each, "channel").upper())
        if channel is not None:
            number = number_at(each, "maximumSlots")
            if not (0 <= number <= _MOST_SLOTS and number.is_integer()):
                raise UnmappableError("configuration.routingProfile.concurrency.maximumSlots", "must be a whole number")
            slots[channel] = int(number)
    return slots or None
