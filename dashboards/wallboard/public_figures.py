"""Public figures: single numbers that `boards.toml` names, for everybody, as JSON and as a badge.

Nothing else can be read here, whoever asks: no queue's name, no other figure, no list of what there is. All readers
together cost one computation a second, and a number that is old is marked.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable
from html import escape
from typing import Any, Final, NamedTuple

import orjson
from aiohttp import web

from dashboards.wallboard.snapshot import Snapshot
from schemas.alerts import Unit
from schemas.boards import Boards, FigureName, PublicFigure
from sinks.hooks.wording import amount, printable

#: How long the numbers are kept for all readers, and how long a reader may keep them.
KEPT_S: Final = 1.0
_HEADERS: Final = {
    "Cache-Control": "public, max-age=15",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_NOT_THERE: Final = "there is no such figure\n"

_UNITS: Final[dict[FigureName, Unit]] = {
    "first_response_p50": "ms",
    "first_response_p90": "ms",
    "service_level": "share",
    "waiting": "count",
    "longest_wait": "ms",
}
#: What stands in the place of a number that there is not.
_NONE: Final = "\u2013"

# The badge. Each colour has a contrast of at least 5 to white.
_LABEL_COLOUR: Final = "#3d3d3d"
_LIVE_COLOUR: Final = "#1a4f8b"
_OLD_COLOUR: Final = "#6b6b6b"
_HEIGHT: Final = 20
_PADDING: Final = 6
#: Of the widest usual letters at 11 pixels; a wide character, as in Japanese, takes twice the room.
_LETTER: Final = 7


class _Answers(NamedTuple):
    json: bytes
    svg: bytes


class PublicFigures:
    """The public figures as they are now, computed at most once a second."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        boards: Callable[[], Boards],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives seconds."""
        self._snapshot = snapshot
        self._boards = boards
        self._clock = clock
        self._made_at = 0.0
        self._made_of: tuple[PublicFigure, ...] | None = None
        self._answers: dict[str, _Answers] = {}

    def answers(self, name: str) -> _Answers | None:
        """Give a figure as JSON and as a badge; None where `boards.toml` names none of this name."""
        figures, now = self._boards().public, self._clock()
        if figures is not self._made_of or now - self._made_at >= KEPT_S:
            snapshot = self._snapshot() if figures else None
            said = [] if snapshot is None else [said_of(figure, snapshot) for figure in figures]
            self._answers = {each["name"]: _Answers(orjson.dumps(each), badge(each)) for each in said}
            self._made_of, self._made_at = figures, now
        return self._answers.get(name)


def said_of(figure: PublicFigure, snapshot: Snapshot) -> dict[str, Any]:
    """Say a figure: its value in its unit, and as people read it."""
    unit, value = _UNITS[figure.figure], snapshot.public_value(figure)
    return {
        "name": figure.name,
        "label": printable(figure.label),
        "value": value,
        "text": _NONE if value is None else amount(value, unit),
        "unit": unit,
        "as_of": snapshot.freshness.as_of,
        "state": snapshot.freshness.state,
    }


def badge(said: dict[str, Any]) -> bytes:
    """Draw a figure as a badge. It has no script and loads nothing; a number that is not live says so."""
    live = said["state"] == "live"
    label, text = said["label"], said["text"] if live else f"{said['text']} ({said['state']})"
    left, right = _width(label), _width(text)
    whole = escape(f"{label}: {text}")
    parts = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{_HEIGHT}"',
        f' role="img" aria-label="{whole}"><title>{whole}</title>',
        f'<rect width="{left}" height="{_HEIGHT}" fill="{_LABEL_COLOUR}"/>',
        f'<rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{_LIVE_COLOUR if live else _OLD_COLOUR}"/>',
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">',
        _text(label, left / 2),
        _text(text, left + right / 2),
        "</g></svg>",
    )
    return "".join(parts).encode()


def _width(text: str) -> int:
    """Give the room that a text takes, in pixels."""
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in text)
    return 2 * _PADDING + _LETTER * (len(text) + wide)


def _text(text: str, middle: float) -> str:
    # The length is said, so that the text fits whatever font is there.
    length = _width(text) - 2 * _PADDING
    return f'<text x="{middle:g}" y="14" textLength="{length}" lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'


def public_routes(app: web.Application, figures: PublicFigures) -> None:
    """Add the routes of the public figures; they need no sign-in."""

    def found(request: web.Request) -> _Answers:
        answers = figures.answers(request.match_info["name"])
        if answers is None:
            raise web.HTTPNotFound(text=_NOT_THERE)
        return answers

    async def as_json(request: web.Request) -> web.Response:
        return web.Response(body=found(request).json, content_type="application/json", headers=_HEADERS)

    async def as_badge(request: web.Request) -> web.Response:
        return web.Response(body=found(request).svg, content_type="image/svg+xml", charset="utf-8", headers=_HEADERS)

    app.router.add_get("/public/{name}.json", as_json)
    app.router.add_get("/public/{name}.svg", as_badge)
