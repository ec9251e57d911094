"""One delivery: what is sent to one destination about one change, and an attempt to send it.

The body is made once, when the change happens, so a late attempt reports what was true then. It contains no secret, so
it can be stored. What depends on the attempt is added at each: signature, routing key, and for Alertmanager the end
time of a firing alert.
"""

from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import NamedTuple

from schemas.alerts import Alert
from schemas.configuration.hook_models import Links
from sinks.hooks.answers import Answer, NoAnswerError
from sinks.hooks.destinations import Destination
from sinks.hooks.messages import Message, TaggedContact, alert_message, tag_message
from sinks.hooks.outbound import HttpOutbound, send_mail
from sinks.hooks.presets import alertmanager, mail, pagerduty, slack, teams, webhook
from sinks.hooks.signing import signature_headers, tag_webhook_id, webhook_id


class Delivery(NamedTuple):
    """The message to one destination about one change."""

    webhook_id: str
    #: By name.
    destination: str
    body: bytes


def alert_delivery(alert: Alert, destination: Destination, links: Links, zone: tzinfo = UTC) -> Delivery:
    """Make the delivery of an alert's change."""
    named = webhook_id(alert, destination.name)
    message = alert_message(alert, links, zone)
    if destination.type == "pagerduty":
        return Delivery(named, destination.name, pagerduty.body(message, alert))
    if destination.type == "alertmanager":
        return Delivery(named, destination.name, alertmanager.body(message, alert))
    return Delivery(named, destination.name, _body(message, destination, named))


def tag_delivery(tagged: TaggedContact, destination: Destination, links: Links, zone: tzinfo = UTC) -> Delivery:
    """Make the delivery of a tag that was put on a contact."""
    named = tag_webhook_id(tagged.contact_id, tagged.tag, destination.name)
    return Delivery(named, destination.name, _body(tag_message(tagged, links, zone), destination, named))


def _body(message: Message, destination: Destination, delivery_id: str) -> bytes:
    if destination.type == "slack":
        return slack.body(message)
    if destination.type == "teams":
        return teams.body(message)
    if destination.type == "email":
        return mail.body(message, delivery_id, destination.sender, destination.to)
    return webhook.body(message)


class Sender:
    """Sends the deliveries of one destination."""

    def __init__(self, destination: Destination, outbound: HttpOutbound | None = None) -> None:
        """Connect to nothing yet; for e-mail each attempt has a connection of its own."""
        self._destination = destination
        self._http = None if destination.type == "email" else outbound or HttpOutbound(destination)

    async def attempt(self, delivery: Delivery, at_ms: int) -> Answer | NoAnswerError:
        """Send a delivery once, at that time."""
        try:
            if self._http is None:
                return await send_mail(self._destination, delivery.body)
            body, headers, path = _request(self._destination, delivery, at_ms)
            return await self._http.post(body, headers, path)
        except NoAnswerError as error:
            return error

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()


def _request(destination: Destination, delivery: Delivery, at_ms: int) -> tuple[bytes, Mapping[str, str], str]:
    """Give body, headers and the path after the destination's address."""
    if destination.type == "webhook":
        headers = signature_headers(destination.secrets, delivery.webhook_id, at_ms, delivery.body)
        return delivery.body, headers, ""
    if destination.type == "pagerduty":
        return pagerduty.with_routing_key(delivery.body, destination.secrets[0].get_secret_value()), {}, ""
    if destination.type == "alertmanager":
        return alertmanager.with_end(delivery.body, at_ms), {}, alertmanager.PATH
    return delivery.body, {}, ""
