"""The addresses of the wallboard's pages, as they are written into answers: of no other site, and below any path.

A proxy may serve the wallboard below a path that the wallboard does not know (https://example.com/pulssi/). So every
address that an answer leads to is relative to the one that was asked for. Nothing here ever gives an address of another
site, whatever it is given.
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
    """Give the address of a page of the wallboard, such as `/board/sales?window=5m`; None where it is none.

    A query that no page has is left out.
    """
    if _PAGE.fullmatch(path) is None:
        return None
    return path + query if _QUERY.fullmatch(query) else path


def page_or_root(address: str) -> str:
    """Give a page's address as it is, and the first page for anything else: nobody is led to another site."""
    path, mark, query = address.partition("?")
    return page_path(path, mark + query) or "/"


def sign_in_path(page: str) -> str:
    """Give the address of the page to sign in on, which leads to a page then."""
    return "/login" if page == "/" else f"/login?next={quote(page, safe='/')}"


def language_asked(page: str) -> str:
    """Tell the language that a page's address names, such as `fi` of `/?lang=fi`; empty where it names none."""
    return parse_qs(page.partition("?")[2]).get(_LANGUAGE, [""])[-1]


def in_language(page: str, language: str) -> str:
    """Give a page's address with a language in it."""
    path, _, query = page.partition("?")
    asked = {name: values[-1] for name, values in parse_qs(query).items()}
    return page_path(path, "?" + urlencode({**asked, _LANGUAGE: language}, safe=",")) or path


def leading_to(request: web.Request, path: str) -> str:
    """Say where `path` of the wallboard lies from the address of a request: `../login` from `/board/sales`."""
    deep = request.rel_url.raw_path.count("/") - 1
    return ("../" * deep or "./") + path.removeprefix("/")
