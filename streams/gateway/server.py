"""The gateway's routes: hooks, captured payloads, health and metrics; nothing else is answered.

Hooks may come from anywhere. Metrics and captured payloads are for those who run Pulssi: each needs a secret.
"""

import hmac
from collections.abc import Callable
from typing import Final

from aiohttp import web
from pydantic import SecretStr

from streams.gateway.receiver import Receiver
from streams.monitoring.allowed_hosts import AllowedHosts, Handler
from streams.monitoring.health import Check, add_routes
from streams.monitoring.peers import address_of

METRICS: Final = "/metrics"
#: How headers begin that only proxies, tunnels and content networks send; a proxy may send any of them, or few.
_PASSED_ON: Final = (
    *("forwarded", "via", "x-forwarded", "x-real-ip", "x-client-ip", "x-original-", "x-envoy-", "x-amzn-", "x-amz-cf-"),
    *("cf-", "cdn-", "client-ip", "fastly-", "ngrok-", "tailscale-", "true-client-ip", "x-azure-", "x-arr-"),
)
_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_CAPTURED_AT_ONCE: Final = 50


def application(
    receiver: Receiver,
    hosts: AllowedHosts,
    token: SecretStr,
    *,
    ready: Check,
    progress: Check,
    notice: Check,
    metrics: Callable[[], str],
) -> web.Application:
    """Make the routes; `token` is needed to read the metrics, empty: only this machine may read them."""

    @web.middleware
    async def guard_metrics(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        if resource is not None and resource.canonical == METRICS and not _may_read(request, token):
            headers = {"WWW-Authenticate": 'Bearer realm="pulssi"'}
            return web.Response(status=401, text="metrics need the wallboard's token\n", headers=headers)
        return await handler(request)

    async def captured(request: web.Request) -> web.Response:
        return _captured(receiver, request)

    async def known(request: web.Request) -> web.Response:
        return receiver.limit(request) or receiver.refusal(request) or web.Response()

    async def routes(_: web.Request) -> web.Response:
        return web.Response(text="the gateway of Pulssi: hooks are posted to /hooks/{source}/{account}\n")

    app = web.Application(middlewares=(hosts.guard, guard_metrics))
    app.on_response_prepare.append(_add_headers)
    app.router.add_get("/", routes)
    app.router.add_post("/hooks/{source}/{account}", receiver.hook)
    app.router.add_head("/hooks/{source}/{account}", known)
    app.router.add_get("/captured/{source}/{account}", captured)
    add_routes(app, ready=ready, progress=progress, notice=notice, metrics=metrics)
    return app


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


def _may_read(request: web.Request, token: SecretStr) -> bool:
    if token.get_secret_value():
        return _has_secret(request, (token,))
    peer = address_of(request.remote or "")
    is_passed_on = any(name.lower().startswith(_PASSED_ON) for name in request.headers)
    return peer is not None and peer.is_loopback and not is_passed_on


def _captured(receiver: Receiver, request: web.Request) -> web.Response:
    """Show an account's last payloads to whoever has its secret; without it, the answer is the same for no account."""
    if (refused := receiver.limit(request)) is not None:
        return refused
    found = receiver.state_of(request)
    if found is None or not _has_secret(request, found[0].account.secrets):
        headers = {"WWW-Authenticate": 'Bearer realm="the secret of the account"'}
        return web.Response(status=401, text="needs the secret of the account\n", headers=headers)
    asked = request.query.get("last", "")
    number = int(asked) if asked.isdecimal() and len(asked) <= len(str(_CAPTURED_AT_ONCE)) else _CAPTURED_AT_ONCE
    return web.Response(body=found[1].last(number), content_type="application/x-ndjson")


def _has_secret(request: web.Request, secrets: tuple[SecretStr, ...]) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    written = given.strip().encode("utf-8", "surrogateescape")
    # Each is compared, whichever fits, so that the time tells nothing.
    found = [hmac.compare_digest(secret.get_secret_value().encode(), written) for secret in secrets]
    return scheme.lower() == "bearer" and bool(written) and any(found)
