"""The addresses of the wallboard's pages, as answers contain them: relative, and never of another site.

A proxy may serve the wallboard below a path that the wallboard does not know (https://example.com/pulssi/). So every
address in an answer is relative to the requested one. No function here returns an address of another site, whatever it
is given.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qs, quote, urlencode

from aiohttp import web

_PAGE: Final = re.compile(r"/(?:board/[a-z0-9-]{1,64})?")
_QUERY: Final = re.compile(r"\?[A-Za-z0-9_=&,.-]{1,200}")
_LANGUAGE: Final = "lang"


def page_path(path: str, query: str = "") -> str | None:
    """Return the address of a page of the wallboard, such as `/board/sales?window=5m`; None if it is no such page.

    A query that no page has is left out.
    """
    if _PAGE.fullmatch(path) is None:
        return None
    return path + query if _QUERY.fullmatch(query) else path


def page_or_root(address: str) -> str:
    """Return a page's address, or `/` for anything else: nobody is redirected to another site."""
    path, mark, query = address.partition("?")
    return page_path(path, mark + query) or "/"


def sign_in_path(page: str) -> str:
    """Return the address of the sign-in page, which redirects to the given page after the sign-in."""
    return "/login" if page == "/" else f"/login?next={quote(page, safe='/')}"


def language_asked(page: str) -> str:
    """Return the language that a page's address names, such as `fi` of `/?lang=fi`; empty if it names none."""
    return parse_qs(page.partition("?")[2]).get(_LANGUAGE, [""])[-1]


def in_language(page: str, language: str) -> str:
    """Return a page's address with a language added."""
    path, _, query = page.partition("?")
    asked = {name: values[-1] for name, values in parse_qs(query).items()}
    return page_path(path, "?" + urlencode({**asked, _LANGUAGE: language}, safe=",")) or path


def leading_to(request: web.Request, path: str) -> str:
    """Return `path` relative to the address of a request: `../login` from `/board/sales`."""
    deep = request.rel_url.raw_path.count("/") - 1
    return ("../" * deep or "./") + path.removeprefix("/")
