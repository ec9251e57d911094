"""Which host names a part's own HTTP server answers to: every server of Pulssi is guarded against DNS rebinding.

A page of another site may have its own name resolve to this machine, and the browser would then let its script read the
answers. It cannot choose the Host header that the browser sends, which is that name. So a name is answered only if it
is one of the machine itself (localhost), the one that is listened on, or one that the setting `allowed_hosts` lists.
Addresses are answered: no name that somebody else resolves brought the browser there. Nothing is guessed from DNS.
"""

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LOOPBACK: Final = "localhost"
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]/@]+))(?::[0-9]{1,5})?")
_SHOWN: Final = 80


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


class AllowedHosts:
    """The names that a server on the address `bind` answers to."""

    def __init__(self, bind: str, allowed: str = "") -> None:
        """`allowed`: the setting, names separated by commas."""
        named = (_LOOPBACK, bind, *allowed.split(","))
        self._names = frozenset(name.strip().lower().rstrip(".") for name in named if name.strip())

    def allows_host(self, host: str) -> bool:
        """Tell whether a Host header names this server."""
        found = _HOST.fullmatch(host.strip())
        if found is None:
            return False
        name = (found[1] or found[2]).lower().rstrip(".")
        return name in self._names or _is_address(name)

    def allows_origin(self, origin: str, host: str) -> bool:
        """Tell whether a browser's page of this origin may send to the server; `host` is the request's, answered to."""
        try:
            name = (urlsplit(origin).hostname or "").rstrip(".")
            own = urlsplit(f"//{host}").hostname
        except ValueError:
            return False  # no browser writes such an origin
        if name in self._names or name == own:
            return True
        return _is_address(name) and ip_address(name).is_loopback

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer 421 to a request for another host. One without a Host is none of a browser's."""
        for host in request.headers.getall("Host", []):
            if not self.allows_host(host):
                text = f"the host {host[:_SHOWN]!r} is not answered here: PULSSI_ALLOWED_HOSTS names those that are\n"
                headers = {"X-Content-Type-Options": "nosniff"}
                return web.Response(status=HTTPStatus.MISDIRECTED_REQUEST, text=text, headers=headers)
        return await handler(request)
