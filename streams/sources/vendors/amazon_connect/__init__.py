"""Amazon Connect: contact events by EventBridge, contact records and agent events as Kinesis has them.

A hook takes all three, as an EventBridge rule and pipes from Kinesis can post to the same address. Facts:
docs.aws.amazon.com/connect/latest/adminguide: contact-events, ctr-data-model, agent-event-stream-model.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from streams.sources.adapter import FULL, AccountRules, Adapter, Feed, Hook, Mapped, Payload, Request, UnmappableError
from streams.sources.signatures import SharedSecret
from streams.sources.vendor_values import JsonObject, json_objects, optional_text_at
from streams.sources.vendors.amazon_connect.agents import map_agent_event
from streams.sources.vendors.amazon_connect.legs import map_leg
from streams.sources.vendors.amazon_connect.snapshots import leg_of_event, leg_of_record
from streams.sources.vendors.amazon_connect.spelling import respelled

_DECODER: Final = json.JSONDecoder()
_CONTACT_EVENT: Final = "amazon connect contact event"


def _hook(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    del answers
    return _joined([_of_any(respelled(each), account) for each in json_objects(payload.body)])


def _record(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    del answers
    return _joined([map_leg(leg_of_record(respelled(each)), account) for each in _objects(payload.body)])


def _agent(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    del answers
    return _joined([map_agent_event(respelled(each), account) for each in _objects(payload.body)])


def _objects(body: bytes) -> list[JsonObject]:
    """Parse what a file holds: Firehose writes objects one after the other, without line ends between them."""
    try:
        return json_objects(body)
    except UnmappableError as error:
        if not body.lstrip().startswith(b"{"):
            raise
        found = _one_after_the_other(body)
        if found is None:
            raise UnmappableError("", error.problem) from None
        return found


def _one_after_the_other(body: bytes) -> list[JsonObject] | None:
    """Parse objects that follow each other; None where anything else is among them."""
    found: list[JsonObject] = []
    try:
        text, end = body.decode().strip(), 0
        while end < len(text):
            parsed, end = _DECODER.raw_decode(text, end)
            if not isinstance(parsed, dict):
                return None
            found.append(parsed)
            while text[end : end + 1].isspace():
                end += 1
    except ValueError:
        return None
    return found


def _of_any(found: JsonObject, account: AccountRules) -> Mapped:
    """Tell by its fields what it is."""
    detail_type = optional_text_at(found, "detail-type")
    if detail_type:
        if detail_type.casefold() != _CONTACT_EVENT:
            return Mapped(nothing=f"{detail_type[:64]}: no contact event")
        leg = leg_of_event(found)
        return Mapped(nothing="says nothing about how the contact goes") if leg is None else map_leg(leg, account)
    if "contactId" in found:
        return map_leg(leg_of_record(found), account)
    if "agentArn" in found:
        return map_agent_event(found, account)
    raise UnmappableError("detail-type", "is missing: no contact event, contact record or agent event")


def _joined(each: list[Mapped]) -> Mapped:
    events = tuple(event for mapped in each for event in mapped.events)
    return Mapped(events, "" if events else "; ".join(dict.fromkeys(mapped.nothing for mapped in each)))


_NO_MESSAGES: Final = Feed(
    "part", "calls in full; chats by the agent's acceptance, until a record with chat metrics has the first reply"
)

ADAPTER: Final = Adapter(
    name="amazon_connect",
    title="Amazon Connect",
    forms={"hook": _hook, "record": _record, "agent": _agent},
    hook=Hook(signature=SharedSecret(header="X-Pulssi-Secret", parameter=""), timeout_s=5),
    feeds={
        "offered": FULL,
        "entered": FULL,
        "queue_wait": FULL,
        "first_response": _NO_MESSAGES,
        "slow": _NO_MESSAGES,
        "abandoned": FULL,
        "ivr_abandoned": Feed("part", "where the event or record has the reason of the disconnection"),
        "handle": FULL,
        "hold": Feed("part", "how long it was, not when"),
        "wrap": Feed("part", "unless COMPLETED is lost and no record comes"),
        "talk": FULL,
        "transferred": Feed("part", "contact events do not name who transferred: the connected agent counts"),
        "missed": Feed("part", "only from agent events"),
        "resolution": FULL,
        "untagged_resolved": Feed("part", "Connect has no tags of contacts: all are untagged"),
    },
    gauges={"agents": Feed("part", "only from agent events")},
)
