"""A part's small HTTP server: `/healthz`, `/livez`, `/startupz`, `/readyz` and `/metrics`.

Healthy means progress, not just life. What makes no progress is not always mended by a restart: `/livez` fails only
where it is, so that an orchestrator restarts no worker because another server is away. What is not ready may have to
wait for a person: `/startupz` tells whether it has done at its start what it can by itself. Nothing here decides what
progress is, and nothing here may show a setting or a contact.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from schemas.exits import EndError, Exit
from schemas.settings import Settings
from streams.monitoring.allowed_hosts import AllowedHosts
from streams.monitoring.connections import HTTP_OPTIONS, BoundedSite, Connections
from streams.monitoring.peers import TrustedProxies
from streams.monitoring.prometheus import CONTENT_TYPE

#: None where all is well, else the reason in one line.
Check = Callable[[], str | None]

FINE: Final = "ok\n"


def _nothing() -> None:
    """Report nothing."""


#: What `/` answers: the address is no page for people.
_ROUTES: Final = """\
/healthz  whether it makes progress
/livez    whether a restart would help
/startupz whether it has started, though it may have to wait for a person
/readyz   whether it is ready
/metrics  what it counts, for Prometheus
"""


class Health:
    """A part's own server: `progress` answers `/healthz`, `ready` answers `/readyz`, `metrics` is Prometheus text."""

    def __init__(
        self,
        *,
        ready: Check,
        progress: Check,
        metrics: Callable[[], str],
        slow: Check = _nothing,
        notice: Check = _nothing,
        stuck: Check | None = None,
        started: Check | None = None,
    ) -> None:
        """`started` answers `/startupz`, else `ready` does: why the start is not over, but for what only people mend.

        `slow` is what `/healthz` names although all is well; `stuck` answers `/livez`, else `progress` does.

        `notice` is a line for people in `/healthz` and `/readyz`: a fault that somebody must correct, but that does not
        make the part unhealthy or unready.
        """
        self._app = web.Application()
        self._app.router.add_get("/", _routes)
        self._app.router.add_get("/livez", _answering(stuck or progress))
        self._app.router.add_get("/startupz", _answering(started or ready))
        add_routes(self._app, ready=ready, progress=progress, metrics=metrics, slow=slow, notice=notice)
        self._runner: web.AppRunner | None = None

    async def start(self, settings: Settings, part: str) -> int:
        """Listen on the port of a part, and return it: that of its setting, or with 0 any free one. Raises EndError."""
        self._app.middlewares.append(AllowedHosts(settings.bind, settings.allowed_hosts).guard)
        self._runner = await listen(self._app, settings, part)
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening; a second call does nothing."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()


async def listen(app: web.Application, settings: Settings, part: str, **how: Any) -> web.AppRunner:  # noqa: ANN401 - aiohttp's own
    """Serve an application on the port of a part. Raises EndError where the port is taken."""
    # No access log: an address may hold a token.
    runner = web.AppRunner(app, access_log=None, **HTTP_OPTIONS, **how)
    await runner.setup()
    port = getattr(settings, f"{part}_port")
    connections = Connections(TrustedProxies(settings.wallboard_proxy_from))
    try:
        await BoundedSite(runner, settings.bind, port, connections).start()
    except OSError as error:
        await runner.cleanup()
        raise EndError(
            f"the {part} cannot listen on {settings.bind}:{port} ({error.strerror}): set PULSSI_{part.upper()}_PORT to"
            " another port",
            Exit.UNREACHABLE,
        ) from None
    return runner


def add_routes(
    app: web.Application,
    *,
    ready: Check,
    progress: Check,
    metrics: Callable[[], str],
    slow: Check = _nothing,
    notice: Check = _nothing,
) -> None:
    """Give a part's own web server the three routes."""

    async def metrics_text(_: web.Request) -> web.Response:
        return web.Response(text=metrics(), headers={"Content-Type": CONTENT_TYPE})

    app.router.add_get("/healthz", _answering(progress, slow, notice))
    app.router.add_get("/readyz", _answering(ready, notice))
    app.router.add_get("/metrics", metrics_text)


async def _routes(_: web.Request) -> web.Response:
    return web.Response(text=_ROUTES)


def _answering(check: Check, *also: Check) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        if (fault := check()) is not None:
            return web.Response(text=f"{fault}\n", status=503)
        return web.Response(text="".join([FINE, *(f"{said}\n" for each in also if (said := each()))]))

    return answer
