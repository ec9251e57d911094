"""Public figures: what they say, who may read them, what else cannot be read, and what they cost."""

import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from dashboards.wallboard.public_figures import PublicFigures, badge, public_routes
from dashboards.wallboard.snapshot import Configured, Snapshot, Snapshots
from schemas.boards import Boards, PublicFigure
from streams.live.freshness import FreshnessReading
from streams.live.live_view import LiveView
from tests.streams.live.steps import Journal, contact, contact_key, pane_of, pane_record, summary

NOW: Final = 1_773_559_200_000
LIVE: Final = FreshnessReading("live", NOW - 100, 0, "")
FIGURES: Final = (
    PublicFigure("p50", "E-mail <response>", "first_response_p50", "email"),
    PublicFigure("p90", "E-mail", "first_response_p90", "email", "support", "5m"),
    PublicFigure("level", "In time", "service_level", "email", None, "today"),
    PublicFigure("waiting", "Waiting", "waiting", "chat", "billing"),
    PublicFigure("longest", "Longest wait", "longest_wait", "chat"),
    PublicFigure("nobody", "Longest wait", "longest_wait", "call"),
    PublicFigure("nothing", "In time", "service_level", "call"),
)
Client = TestClient[web.Request, web.Application]


class Office:
    """Public figures of a small centre, and how often a snapshot was asked for."""

    def __init__(self) -> None:
        view = LiveView("UTC", lambda: NOW)
        mails = pane_of([3_600_000, 7_200_000, 90_000_000], target=86_400_000)
        view.feed(
            [
                Journal("contacts.email").step(pane_record(NOW, "support", "first_response", mails)),
                Journal().step((contact_key("a"), contact(summary(waiting_since=NOW - 65_000)))),
            ]
        )
        view.advance()
        self.snapshots = Snapshots(view, Configured(boards=Boards(public=FIGURES)))
        self.freshness = LIVE
        self.asked = 0
        self.seconds = 100.0
        self.boards = self.snapshots.configured.boards
        self.figures = PublicFigures(self.snapshot, lambda: self.boards, lambda: self.seconds)

    def snapshot(self) -> Snapshot:
        """Take a snapshot."""
        self.asked += 1
        return self.snapshots.take(self.freshness, NOW)


@pytest.fixture
def office() -> Office:
    """Return a small centre."""
    return Office()


@pytest.fixture
async def http(office: Office) -> AsyncIterator[Client]:
    """Return the client of an application with the routes alone."""
    app = web.Application()
    public_routes(app, office.figures)
    async with TestClient(TestServer(app)) as client:
        yield client


async def _said(http: Client, name: str) -> dict[str, Any]:
    async with http.get(f"/public/{name}.json") as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        said: dict[str, Any] = await answer.json()
        return said


async def test_what_each_says(http: Client) -> None:
    """The value in its unit, and as people read it; what there is not is null and never 0."""
    assert await _said(http, "waiting") == {
        "name": "waiting",
        "label": "Waiting",
        "value": 1,
        "text": "1",
        "unit": "count",
        "as_of": NOW - 100,
        "state": "live",
    }
    found = {figure.name: await _said(http, figure.name) for figure in FIGURES}
    assert found["p50"]["value"] == pytest.approx(7_200_000, rel=0.01)
    assert found["p90"]["value"] == pytest.approx(90_000_000, rel=0.01)
    assert (found["level"]["value"], found["level"]["text"]) == (0.666667, "66.7 %")
    assert (found["longest"]["value"], found["longest"]["text"]) == (65_000, "1 min 5 s")
    assert [(found[name]["value"], found[name]["text"]) for name in ("nobody", "nothing")] == [(None, "\u2013")] * 2


async def test_anybody_may_read_them_and_nothing_else(http: Client) -> None:
    """From any site, for so long; of other names nothing is said, not even which there are."""
    for ending in ("json", "svg"):
        async with http.get(f"/public/waiting.{ending}") as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert answer.headers["Cache-Control"] == "public, max-age=15"
            assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    for path in (
        "/public/billing.json",
        "/public/.json",
        "/public/waiting",
        "/public/",
        "/public/..%2fapi%2flive.json",
    ):
        async with http.get(path) as answer:
            assert answer.status == 404, path
            assert "waiting" not in await answer.text()
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_all_readers_cost_one_computation_a_second(office: Office, http: Client) -> None:
    """However many ask for whatever; a change of the file counts at once."""
    for _ in range(5):
        for figure in FIGURES:
            await _said(http, figure.name)
    assert office.asked == 1
    office.seconds += 1
    await _said(http, "waiting")
    assert office.asked == 2
    office.boards = Boards(public=(FIGURES[3]._replace(label="Now"),))
    assert (await _said(http, "waiting"))["label"] == "Now"
    async with http.get("/public/p50.json") as answer:
        assert answer.status == 404


@pytest.mark.parametrize("state", ["stale", "reading", "waiting"])
async def test_what_is_old_says_so(state: Any, office: Office, http: Client) -> None:  # noqa: ANN401 - a state
    """A stale number is shown as one; before the journals are read there is none."""
    office.freshness = LIVE._replace(state=state)
    said = await _said(http, "waiting")
    assert (said["state"], said["value"]) == (state, 1 if state == "stale" else None)
    async with http.get("/public/waiting.svg") as answer:
        assert f"({state})" in await answer.text()


async def test_the_badge_is_an_image_and_no_more(http: Client) -> None:
    """Well formed, escaped, as wide as its text, without a script or an address to load from."""
    async with http.get("/public/p50.svg") as answer:
        assert answer.content_type == "image/svg+xml"
        text = await answer.text()
    drawn = ET.fromstring(text)  # noqa: S314 - our own
    told = [each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert told[0] == "E-mail <response>"
    tags = {each.tag.rpartition("}")[2] for each in drawn.iter()}
    assert tags == {"svg", "title", "rect", "g", "text"}
    assert "href" not in text
    assert drawn.attrib["aria-label"].startswith("E-mail <response>: 2 h")


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("state", ["live", "stale"])
def test_the_badge_can_be_read(state: str) -> None:
    """White on each of its grounds has the contrast that small text needs, 4.5 to 1; a longer text has more room."""
    said = {"label": "愛" * 3, "text": "1", "state": state}
    drawn = ET.fromstring(badge(said))  # noqa: S314 - our own
    rects = list(drawn.iter("{http://www.w3.org/2000/svg}rect"))
    assert all(1.05 / (_luminance(each.attrib["fill"]) + 0.05) >= 4.5 for each in rects)
    assert sum(int(each.attrib["width"]) for each in rects) == int(drawn.attrib["width"])
    wider = ET.fromstring(badge({**said, "text": "1 min 5 s"}))  # noqa: S314 - our own
    assert int(wider.attrib["width"]) > int(drawn.attrib["width"])
