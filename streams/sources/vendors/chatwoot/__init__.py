"""Chatwoot: conversations and messages by hooks; the same, reporting events and survey answers by import."""

from typing import Final

from streams.sources.adapter import FULL, Adapter, Feed, Hook
from streams.sources.signatures import SharedSecret, SignedOrShared, TimestampedHmac
from streams.sources.vendors.chatwoot.hook import map_hook
from streams.sources.vendors.chatwoot.record import map_conversation, map_csat, map_message, map_reporting_event

_VISITS: Final = Feed("part", "an inbox or team is a queue, and the first reply ends the wait: nobody accepts")
_SECONDS: Final = Feed("full", "whole seconds")

ADAPTER: Final = Adapter(
    name="chatwoot",
    title="Chatwoot",
    forms={
        "hook": map_hook,
        "conversation": map_conversation,
        "message": map_message,
        "reporting_event": map_reporting_event,
        "csat": map_csat,
    },
    feeds={
        "offered": Feed("part", "what an agent begins is recognised only if the first message is there at once"),
        "entered": _VISITS,
        "queue_wait": _VISITS,
        "first_response": _SECONDS,
        "next_response": _SECONDS,
        "nudges": FULL,
        "slow": FULL,
        "replies": FULL,
        "resolution": Feed("part", "exact by hooks; by import only where Chatwoot has reporting events"),
        "reopened": FULL,
        "tagged": FULL,
        "any_tag": Feed("part", "at the conversation's last update, as every update states its labels"),
        "untagged_resolved": FULL,
        "bot_contained": FULL,
        "rated": FULL,
    },
    hook=Hook(
        # lib/webhooks/trigger.rb of Chatwoot 4.11.2 and later; versions before sign nothing.
        signature=SignedOrShared(
            TimestampedHmac("X-Chatwoot-Signature", "X-Chatwoot-Timestamp", ".", "sha256="), SharedSecret()
        ),
        timeout_s=5,
        delivery_header="X-Chatwoot-Delivery",
    ),
)
