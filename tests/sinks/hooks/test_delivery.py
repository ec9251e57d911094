"""A delivery to a real server of each kind: what arrives is what was made, with what belongs to the attempt."""

import json

import pytest

from schemas.configuration.hook_models import DestinationType
from sinks.hooks.answers import Answer, NoAnswerError
from sinks.hooks.delivery import Delivery, Sender, alert_delivery
from sinks.hooks.destinations import Destination
from tests.sinks.hooks.alerts import FIRED, LINKS, alert
from tests.sinks.hooks.made import KEY, destination
from tests.sinks.hooks.receiver import Receiver

_ROUTING_KEY = "0123456789abcdef0123456789ABCDEF"


def _to(receiver: Receiver, kind: DestinationType, secrets: tuple[str, ...] = (), user: str = "") -> Destination:
    allowed = ("127.0.0.1", receiver.port, "127.0.0.0/8")
    return destination(f"http://{user}127.0.0.1:{receiver.port}/in", allowed, kind=kind, secrets=secrets)


async def _attempted(to: Destination, at_ms: int = FIRED) -> tuple[Delivery, Answer | NoAnswerError]:
    made, sender = alert_delivery(alert(), to, LINKS), Sender(to)
    answer = await sender.attempt(made, at_ms)
    await sender.close()
    return made, answer


@pytest.mark.parametrize("kind", ["webhook", "slack", "teams"])
async def test_bodies_are_sent_as_they_were_made(receiver: Receiver, kind: DestinationType) -> None:
    """To the byte: what is kept is what is sent at each attempt. Only a webhook is signed."""
    made, answer = await _attempted(_to(receiver, kind, (KEY,) if kind == "webhook" else ()))
    ((path, body),), (headers,) = receiver.got, receiver.headers
    assert (answer, path, body) == (Answer(200, "ok"), "/in", made.body)
    assert ("webhook-signature" in headers) == (kind == "webhook")
    assert (headers["Content-Type"], made.destination) == ("application/json", "duty")


async def test_pagerduty_gets_its_key_with_the_attempt(receiver: Receiver) -> None:
    """It is not in what is kept."""
    made, _ = await _attempted(_to(receiver, "pagerduty", (_ROUTING_KEY,)))
    ((_, body),) = receiver.got
    assert json.loads(body) == {"routing_key": _ROUTING_KEY, **json.loads(made.body)}
    assert _ROUTING_KEY.encode() not in made.body


async def test_alertmanager_gets_an_end_with_each_attempt(receiver: Receiver) -> None:
    """Five minutes after it; below the root that was named, signed in as the address says."""
    to = _to(receiver, "alertmanager", user="monitor:swordfish@")
    for at in (FIRED, FIRED + 60_000):
        await _attempted(to, at)
    assert [json.loads(body)[0]["endsAt"][11:19] for _, body in receiver.got] == ["08:35:00", "08:36:00"]
    assert {path for path, _ in receiver.got} == {"/in/api/v2/alerts"}
    assert {headers["Authorization"] for headers in receiver.headers} == {"Basic bW9uaXRvcjpzd29yZGZpc2g="}


@pytest.mark.parametrize("kind", ["webhook", "email"])
async def test_a_private_address_is_a_result(receiver: Receiver, kind: DestinationType) -> None:
    """Which is judged as any other; nothing arrives."""
    scheme = "smtp" if kind == "email" else "http"
    _, answer = await _attempted(destination(f"{scheme}://localhost:{receiver.port}", kind=kind, secrets=(KEY,)))
    assert isinstance(answer, NoAnswerError)
    assert (answer.failure, receiver.got) == ("address_refused", [])
