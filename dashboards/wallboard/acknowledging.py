"""Acknowledging an alert from the page: a command to `alerts.commands`, answered once Kafka has it.

The page shows an alert as acknowledged when the SLA engine has written it, not before. A form or script of another site
must not be able to acknowledge: the request needs a header that only a script of an allowed origin can send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import orjson
from aiohttp import web
from aiokafka.errors import KafkaError

from schemas.alerts import Acknowledge, Alert
from streams.monitoring.allowed_hosts import AllowedHosts
from streams.times import now_ms

#: Under this name a request holds who has signed in, where that is known.
SIGNED_IN_AS: Final = web.RequestKey[str | None]("signed_in_as")
#: A script of another origin may not send it without being allowed to first, and nobody allows it.
HEADER: Final = "X-Pulssi"
NAME_AT_MOST: Final = 64
_BODY_BYTES_AT_MOST: Final = 4_096
#: How long Kafka may take, and for how many acknowledgements it may be taking it.
ANSWERS_WITHIN_S: Final = 10.0
AT_ONCE: Final = 16

Send = Callable[[Acknowledge], Awaitable[None]]


class Known(Protocol):
    """The alerts that are known."""

    def firing(self, alert_id: str) -> Alert | None:
        """Find an alert that fires."""

    def has_fired(self, alert_id: str) -> bool:
        """Tell whether an alert has fired and is over."""


def acknowledge_routes(
    app: web.Application, known: Callable[[], Known | None], hosts: AllowedHosts, send: Send
) -> None:
    """Add the route. `known` gives the alerts; None: they are not known now. `send` returns when Kafka has a command.

    `send` may raise KafkaError, OSError and TimeoutError.
    """
    sending: set[asyncio.Future[None]] = set()

    async def acknowledge(request: web.Request) -> web.Response:
        _refuse_other_sites(request, hosts)
        body = await _body(request)
        by = request.get(SIGNED_IN_AS) or _name(body)  # whom a proxy has signed in is not asked again
        alert_id = request.match_info["id"]
        alert = _alert(known(), alert_id)
        if alert.acknowledged_by is not None:  # the first one counts
            return _answer(alert_id, alert.acknowledged_by, alert.acknowledged_at or alert.at)
        command = Acknowledge(type="acknowledge", at=now_ms(), by=by, alert_id=alert_id)
        await _deliver(command, send, sending)
        return _answer(alert_id, by, command.at)

    app.router.add_post("/api/alerts/{id}/ack", acknowledge)


def _answer(alert_id: str, by: str, at: int) -> web.Response:
    return web.Response(
        status=202, body=orjson.dumps({"id": alert_id, "by": by, "at": at}), content_type="application/json"
    )


def _refuse_other_sites(request: web.Request, hosts: AllowedHosts) -> None:
    if request.headers.get(HEADER) != "1":
        raise web.HTTPForbidden(text=f"the header {HEADER} is missing: send `{HEADER}: 1`\n")
    origin = request.headers.get("Origin")
    if origin is not None and not hosts.allows_origin(origin, request.host):
        raise web.HTTPForbidden(
            text="pages of this origin may not acknowledge: PULSSI_ALLOWED_HOSTS names those that may\n"
        )


async def _body(request: web.Request) -> Any:  # noqa: ANN401 - any JSON
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text='send JSON: {"by": "Maija"}\n')
    if (request.content_length or 0) > _BODY_BYTES_AT_MOST:
        raise web.HTTPRequestEntityTooLarge(_BODY_BYTES_AT_MOST, request.content_length or 0)
    try:
        return orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        raise web.HTTPBadRequest(text='the body is not JSON: send {"by": "Maija"}\n') from None


def _name(body: Any) -> str:  # noqa: ANN401 - any JSON
    """Read who acknowledges. Raises HTTPBadRequest."""
    by = body.get("by") if isinstance(body, dict) else None
    if isinstance(by, str):
        by = by.strip()
        # What is not printable could break a line, or reverse the order of what is read.
        if 1 <= len(by) <= NAME_AT_MOST and by.isprintable():
            return by
    raise web.HTTPBadRequest(text=f"by: must be a name of 1 to {NAME_AT_MOST} characters, without control characters\n")


def _alert(known: Known | None, alert_id: str) -> Alert:
    if known is None:
        raise web.HTTPServiceUnavailable(text="alerts are not known yet: try again\n", headers={"Retry-After": "2"})
    alert = known.firing(alert_id)
    if alert is not None:
        return alert
    if known.has_fired(alert_id):
        raise web.HTTPConflict(text="this alert does not fire any more\n")
    raise web.HTTPNotFound(text="there is no such alert\n")


async def _deliver(command: Acknowledge, send: Send, sending: set[asyncio.Future[None]]) -> None:
    """Send a command, to its end even if the caller has gone: a producer must not be stopped while it sends."""
    if len(sending) >= AT_ONCE:
        raise web.HTTPServiceUnavailable(text="Kafka does not answer: try again\n", headers={"Retry-After": "5"})

    def forget(task: asyncio.Future[None]) -> None:
        sending.discard(task)
        if not task.cancelled():
            task.exception()  # nobody waits for it any more, or has been told

    task = asyncio.ensure_future(send(command))
    sending.add(task)
    task.add_done_callback(forget)
    await asyncio.wait([task], timeout=ANSWERS_WITHIN_S)
    try:
        sent = task.done() and task.result() is None
    except (KafkaError, OSError, TimeoutError):
        sent = False
    if not sent:
        raise web.HTTPServiceUnavailable(
            text="Kafka has not acknowledged it: see whether the alert becomes acknowledged, else try again\n",
            headers={"Retry-After": "5"},
        )
