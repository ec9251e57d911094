"""The files that the page consists of: where each is found, and how it is served. No other file is served."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Final

from aiohttp import web

_KINDS: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
_PAGE: Final = files(__package__).joinpath("page")
_NAMES: Final = (
    *(entry.name for entry in _PAGE.iterdir() if entry.is_file()),
    *(f"messages/{entry.name}" for entry in _PAGE.joinpath("messages").iterdir()),
)
#: All files of the page by their address: below a board's page too, so that its relative addresses lead to them.
ASSETS: Final = {
    "/": ("index.html", _KINDS[".html"]),
    **{
        f"{folder}{name}": (name, _KINDS[f".{name.rpartition('.')[2]}"])
        for folder in ("/", "/board/")
        for name in sorted(_NAMES)
        if name != "index.html"
    },
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _content(name: str) -> bytes:
    return _PAGE.joinpath(name).read_bytes()


def edition() -> str:
    """Return a name of this version of the page: a page of another version reloads itself."""
    return hashlib.sha256(b"".join(_content(name) for name, _ in sorted(set(ASSETS.values())))).hexdigest()[:12]


def file_handler(name: str, kind: str) -> Handler:
    """Make the handler that serves a file of the page, compressed, and not at all to whom has it already."""
    content = _content(name)
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'

    async def serve(request: web.Request) -> web.Response:
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        response = web.Response(body=content, content_type=kind, charset="utf-8", headers=headers)
        response.enable_compression()
        return response

    return serve
