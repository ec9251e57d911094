"""Zendesk: tickets by hooks, messages of messaging tickets by hooks, audits and ratings by import."""

from typing import Final

from streams.sources.adapter import FULL, Adapter, Feed, Hook
from streams.sources.signatures import TimestampedHmac
from streams.sources.vendors.zendesk.audit import map_audit
from streams.sources.vendors.zendesk.hook import map_hook
from streams.sources.vendors.zendesk.rating import map_metric_event, map_satisfaction

_REPLIES: Final = Feed("part", "not in the former live chat, whose messages Zendesk does not send")
_VISITS: Final = Feed("part", "a group is a queue, and the first reply ends the wait: nobody accepts a ticket")

ADAPTER: Final = Adapter(
    name="zendesk",
    title="Zendesk",
    forms={
        "hook": map_hook,
        "audit": map_audit,
        "satisfaction": map_satisfaction,
        "metric_event": map_metric_event,
    },
    feeds={
        "offered": FULL,
        "entered": _VISITS,
        "queue_wait": _VISITS,
        "first_response": _REPLIES,
        "next_response": _REPLIES,
        "nudges": _REPLIES,
        "slow": _REPLIES,
        "replies": _REPLIES,
        "resolution": Feed("full", "whole seconds"),
        "reopened": FULL,
        "tagged": FULL,
        "any_tag": Feed("part", "at the ticket's last update, as every update states its tags"),
        "untagged_resolved": FULL,
        "bot_contained": Feed("part", "messaging only, and where no group is set before the bot hands over"),
        "rated": Feed("part", "by import only"),
    },
    hook=Hook(
        signature=TimestampedHmac(
            "X-Zendesk-Webhook-Signature", "X-Zendesk-Webhook-Signature-Timestamp", encoding="base64"
        ),
        timeout_s=12,
        delivery_header="X-Zendesk-Webhook-Invocation-Id",
    ),
)
