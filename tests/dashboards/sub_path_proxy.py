"""A reverse proxy that serves a wallboard below a path, as nginx does with `location /pulssi/`, and nothing else.

It takes its path off and passes the rest on as it is: it rewrites no address in an answer. What is asked for outside
its path it answers with 404, and remembers.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from aiohttp import web
from yarl import URL

from tests.dashboards.page_site import on_a_free_port

PATH: Final = "/pulssi"
#: Of one connection alone: https://www.rfc-editor.org/rfc/rfc9110#name-connection
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host"})


class SubPathProxy:
    """Where it is, and what it was asked for outside its path."""

    def __init__(self, behind: str) -> None:
        self.url = ""
        self.outside: list[str] = []
        self._behind = behind

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """Answer with what the wallboard answers, piece by piece as it comes."""
        if not request.raw_path.startswith(f"{PATH}/"):
            self.outside.append(request.raw_path)
            return web.Response(status=404)
        address = URL(self._behind + request.raw_path.removeprefix(PATH), encoded=True)
        told = {
            "Host": request.host,
            "X-Forwarded-For": request.remote or "",
            "X-Forwarded-Proto": "http",
            "X-Forwarded-Prefix": PATH,
        }
        asked = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        body = await request.read() if request.can_read_body else None
        jar = aiohttp.DummyCookieJar()
        async with (
            aiohttp.ClientSession(auto_decompress=False, cookie_jar=jar) as http,
            http.request(
                request.method, address, headers={**asked, **told}, data=body, allow_redirects=False
            ) as answered,
        ):
            answer = web.StreamResponse(status=answered.status)
            for name, value in answered.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    answer.headers.add(name, value)
            await answer.prepare(request)
            async for piece in answered.content.iter_any():
                await answer.write(piece)
        return answer


@asynccontextmanager
async def below_a_path(behind: str) -> AsyncIterator[SubPathProxy]:
    """Run a proxy before a server, for the length of the block; its `url` has no slash at its end."""
    proxy = SubPathProxy(behind)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", proxy.pass_on)
    async with on_a_free_port(app) as address:
        proxy.url = f"{address}{PATH}"
        yield proxy
