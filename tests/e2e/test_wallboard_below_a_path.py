"""A wallboard that a proxy serves below a path, in a real browser: nothing leads out of the path."""

from typing import Any

import orjson
from playwright.async_api import expect

from schemas.boards import Board
from streams.monitoring.peers import TrustedProxies
from streams.times import now_ms
from tests.dashboards.board_message import message
from tests.dashboards.door_site import PASSWORD, TOKEN, door_site, sign_in
from tests.dashboards.sub_path_proxy import PATH, below_a_path
from tests.fixtures.browser import MARKS, Open

pytestmark = list(MARKS)


def _figures(board: Board, window: str) -> bytes:
    made: dict[str, Any] = message(now_ms(), window, board.name)
    made["alerts"]["listed"][0]["id"] = "fires"  # the one that the server knows
    made["boards"] = made["boards"][:2]
    return orjson.dumps(made)


async def test_the_whole_wallboard_works_below_a_path(opened: Open) -> None:
    """Sign-in, figures as they come, acknowledging, boards, languages, the way out, and a TV's address."""
    ways = sign_in(proxies=TrustedProxies("127.0.0.1/32"))
    async with door_site(ways, figures=_figures) as site, below_a_path(site.url) as proxy:
        watched = await opened(f"{proxy.url}/", "board/sales?window=60m&lang=fi")
        page = watched.page
        assert page.url == f"{proxy.url}/login?next=/board/sales%3Fwindow%3D60m%26lang%3Dfi"
        await page.get_by_label("Salasana").fill("not the password")
        await page.get_by_role("button", name="Kirjaudu sisään").click()
        await expect(page.get_by_role("alert")).to_have_text("Se ei täsmännyt. Yritä uudelleen.")
        await page.get_by_role("link", name="Svenska").click()
        await page.get_by_label("Lösenord").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{proxy.url}/board/sales?window=60m&lang=sv")
        await expect(watched.row("call", "sales")).to_be_visible()
        (cookie,) = await page.context.cookies()
        assert cookie["path"] == f"{PATH}/"

        await page.locator("#board-choice").select_option("default")
        await page.wait_for_url(f"{proxy.url}/board/default?**")
        await expect(watched.row("email", "billing")).to_be_visible()
        await page.locator(".alert[data-alert=fires] button").click()
        await page.locator("#ask-name").fill("Aino")
        await page.keyboard.press("Enter")
        await expect(page.locator("#spoken")).to_have_text("Kvitterat")
        assert [each.alert_id for each in site.acknowledged] == ["fires"]

        await page.keyboard.press("s")
        await page.locator("#sign-out").click()
        await page.wait_for_url(f"{proxy.url}/login?next=**")
        assert await page.context.cookies() == []

        await page.goto(f"{proxy.url}/?token={TOKEN}")
        await page.wait_for_url(f"{proxy.url}/")
        await expect(watched.row("call", "sales")).to_be_visible()
        assert (proxy.outside, watched.elsewhere) == ([], [])
        assert [each for each in watched.complaints if "401" not in each] == []
