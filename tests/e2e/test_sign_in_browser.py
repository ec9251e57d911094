"""Signing in to the wallboard in a real browser: its form, its cookie and its origin are those that the door expects.

Chromium is found on the PATH, or named by CHROMIUM in the environment; nothing is ever downloaded.
"""

import os
import shutil
from typing import Final

import pytest
from playwright.async_api import async_playwright, expect

from streams.monitoring.rate_limits import RateLimit
from tests.dashboards.door_site import FIGURES, PASSWORD, TOKEN, door_site

CHROMIUM: Final = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH (or in the environment as CHROMIUM)"),
]


@pytest.mark.parametrize("scripts", [pytest.param(True, marks=pytest.mark.long), False])
async def test_a_person_and_a_tv_sign_in(*, scripts: bool) -> None:
    """With scripts or without: from the page that was asked for, by a wrong password, and back; a TV by its address."""
    async with door_site(requests=RateLimit(1000, 1000)) as site, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        context = await browser.new_context(java_script_enabled=scripts, viewport={"width": 390, "height": 844})
        page = await context.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        await page.goto(f"{site.url}/board/sales?window=5m")
        assert page.url.startswith(f"{site.url}/login?next=")
        field = page.get_by_label("Password")
        await expect(field).to_be_focused()
        await field.fill("not the password")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_have_text("That was not right. Try again.")
        await expect(page.get_by_label("Password")).to_have_attribute("aria-describedby", "problem")
        assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{site.url}/board/sales*")
        assert await (await context.request.get(f"{site.url}/api/live")).text() == FIGURES
        assert page.url == f"{site.url}/board/sales?window=5m"
        (cookie,) = await context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")
        assert [each for each in complaints if "Content Security Policy" in each] == []

        tv = await (await browser.new_context(java_script_enabled=scripts)).new_page()
        await tv.goto(f"{site.url}/board/sales?token={TOKEN}#15m")
        assert await (await tv.context.request.get(f"{site.url}/api/live")).text() == FIGURES
        assert tv.url == f"{site.url}/board/sales#15m"
        await browser.close()


@pytest.mark.long
async def test_a_page_leads_to_the_sign_in_when_its_session_ends() -> None:
    """By its own button, or from elsewhere: nobody goes on looking at figures that stand still."""
    async with door_site(requests=RateLimit(1000, 1000)) as site, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = await browser.new_page()
        await page.goto(f"{site.url}/board/sales?token={TOKEN}")
        await page.keyboard.press("s")
        await page.get_by_role("button", name="Sign out").click()
        await page.wait_for_url(f"{site.url}/login**")

        await page.goto(f"{site.url}/board/sales?token={TOKEN}")
        await page.get_by_role("button", name="Settings").wait_for()
        await page.context.request.post(f"{site.url}/logout")
        await page.wait_for_url(f"{site.url}/login**")
        await browser.close()
