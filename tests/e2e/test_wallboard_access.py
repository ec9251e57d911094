"""Who can use the wallboard's page: by the keyboard alone, by a screen reader, in each language, in both schemes."""

import asyncio
import re
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from streams.times import now_ms
from tests.dashboards.board_message import Message, alert, message
from tests.dashboards.page_site import at_now, serving
from tests.fixtures.browser import MARKS, Open, Watched

pytestmark = list(MARKS)

LANGUAGES = ("en", "fi", "nb", "sv")
#: The rules of WCAG 2.2 AA, and what axe cannot decide by itself as well.
AXE: dict[str, Any] = {
    "resultTypes": ["violations", "incomplete"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}


#: A sign alone, such as the key "+", axe does not judge; its colour is that of the words beside it, which it does.
UNDECIDED = "Element content contains only non-text characters"


async def _faults(page: Page) -> list[str]:
    """Name what axe found, and what it could not decide: the rule, and the first nodes."""
    found = (await Axe().run(page, options=AXE)).response
    return [
        f"{kind} {rule['id']}: {node['target']} {node.get('failureSummary', '')[:200]}"
        for kind in ("violations", "incomplete")
        for rule in found[kind]
        for node in rule["nodes"][:3]
        if UNDECIDED not in node.get("failureSummary", "")
    ]


async def _ready(watched: Watched) -> None:
    await expect(watched.page.locator("body")).to_have_attribute("data-state", "live")
    await expect(watched.page.locator(".alert").first).to_be_visible()


async def test_axe_has_nothing_to_say(opened: Open) -> None:
    """Names, roles, contrast, order of headings; with a dialog open, too."""
    async with serving(at_now()) as site:
        watched = await opened(site.url, "?window=60m", color_scheme="dark", reduced_motion="reduce")
        await _ready(watched)
        assert await _faults(watched.page) == []
        await watched.page.keyboard.press("s")
        await expect(watched.page.locator("#settings")).to_be_visible()
        assert await _faults(watched.page) == []


@pytest.mark.long
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_axe_in_each_language_and_scheme(opened: Open, language: str, scheme: str) -> None:
    """On a wall and on a phone, also while the figures are old and where an alert could not be acknowledged."""
    async with serving(at_now()) as site:
        for size in ((1920, 1080), (390, 844)):
            path = f"board/sales?lang={language}#60m"
            watched = await opened(site.url, path, color_scheme=scheme, size=size, reduced_motion="reduce")
            page = watched.page
            await _ready(watched)
            site.answer = 409
            await page.locator(".alert button").first.click()
            await expect(page.locator("#ask")).to_be_visible()
            assert await _faults(page) == []
            await page.locator("#ask-name").fill("Aino")
            await page.keyboard.press("Enter")
            await expect(page.locator(".alert-trouble").first).to_be_visible()
            assert await _faults(page) == []


async def test_it_speaks_the_readers_language(opened: Open) -> None:
    """By the browser, the address, or a choice that is remembered; numbers, times and durations too."""
    async with serving(at_now()) as site:
        watched = await opened(site.url, "#today", locale="no")  # Norwegian, as some browsers call Bokmål
        page, calls = watched.page, watched.card("call")
        await expect(page.locator("html")).to_have_attribute("lang", "nb")
        await expect(calls.locator("h2")).to_have_text("Anrop")
        await page.goto(f"{site.url}?lang=fi#today")
        await expect(page.locator("html")).to_have_attribute("lang", "fi")
        await expect(calls.locator(".waiting dt")).to_have_text("Jonossa")
        await expect(calls.locator(".goal")).to_have_text(re.compile(r"^täyttää 80\s% / 20 s$"))
        await expect(calls.locator(".compared")).to_have_text(re.compile(r"^\d\s?\d{3} tänään, "))
        await expect(calls.locator(".longest dd b")).to_have_text(re.compile(r"^2:3\d$"))
        await page.keyboard.press("s")
        await page.locator("#set-language").select_option("sv")
        await expect(page.locator("html")).to_have_attribute("lang", "sv")
        await expect(page.locator("#alerts-title")).to_have_text("Larm")
        await page.goto(site.url)
        await expect(page.locator("#alerts-title")).to_have_text("Larm")
        assert watched.complaints == []


async def test_every_figure_says_what_it_means(opened: Open) -> None:
    """Where the pointer rests on it, and in a list for screens without one; a service level names its formula."""
    async with serving(at_now()) as site:
        watched = await opened(site.url, "?lang=fi#60m")
        page = watched.page
        await _ready(watched)
        unexplained = """() => [...document.querySelectorAll(
            `.head > :not(.name), .row .cell, .channel-card dt, .channel-card dd b, .hour-trend,
            .mark:not(.alert .mark, .goal .mark),
            .forecast th[scope=col], .compared, .live-level, #tags-title, #agents-rows .slot, .due-entry`)]
            .filter((node) => node.checkVisibility() && !node.closest('[title]:not([title=""])'))
            .map((node) => node.outerHTML)"""
        assert await page.evaluate(unexplained) == []
        level = watched.row("call", "sales").locator(".level > b")
        await expect(level).to_have_attribute(
            "title", re.compile(r"^Tavoiteajassa vastattujen osuus .*: ajoissa ÷ .*\(short_excluded\)$")
        )
        waiting = await watched.card("call").locator(".waiting dt").get_attribute("title")
        await page.keyboard.press("?")
        listed = page.locator("#meanings-list dd")
        await expect(listed.first).to_have_text(waiting or "")
        assert await listed.count() == await page.locator("#meanings-list dt").count() == 20
        assert "" not in await listed.all_text_contents()
        await page.keyboard.press("Escape")
        await expect(page.locator("#settings")).to_be_hidden()


async def test_the_keyboard_reaches_everything(opened: Open) -> None:
    """Tab goes from the skip link over board, pause, window and settings to the alerts; keys do what clicks do."""
    async with serving(at_now()) as site:
        page = (await opened(site.url)).page
        await expect(page.locator(".alert")).to_have_count(4)
        reached = []
        for _ in range(7):
            await page.keyboard.press("Tab")
            reached.append(
                await page.evaluate(
                    "document.activeElement.id || document.activeElement.name || document.activeElement.className"
                )
            )
        assert reached == ["skip", "board-choice", "pause", "window", "settings-open", "acknowledge", "acknowledge"]
        root = page.locator("html")
        before = await root.evaluate("root => parseFloat(getComputedStyle(root).fontSize)")
        await page.keyboard.press("+")
        assert await root.evaluate("root => root.style.getPropertyValue('--scale')") == "1.1"
        await page.keyboard.press("c")
        await expect(root).to_have_attribute("data-scheme", "dark")
        await page.keyboard.press("n")
        await page.wait_for_url("**/board/sales")
        await page.keyboard.press("b")
        await page.wait_for_url("**/board/default")
        await page.reload()
        await expect(root).to_have_attribute("data-scheme", "dark")
        assert await root.evaluate("root => root.style.getPropertyValue('--scale')") == "1.1"
        await page.keyboard.press("0")
        assert await root.evaluate("root => parseFloat(getComputedStyle(root).fontSize)") == before
        await page.keyboard.press("f")
        await page.wait_for_function("document.fullscreenElement !== null")
        await page.keyboard.press("f")
        await page.wait_for_function("document.fullscreenElement === null")
        await page.keyboard.press("a")
        assert await page.evaluate("document.activeElement.className") == "acknowledge"


@pytest.mark.long
async def test_a_screen_reader_is_not_talked_over(opened: Open) -> None:
    """However fast news come, they are told together, at most each ten seconds."""
    fired = 10

    def storm(window: str, board: str) -> Message:
        made = message(now_ms(), window, board)
        made["alerts"]["listed"] = [alert(made["at"], number) for number in range(fired - 10, fired)]
        return made

    async with serving(storm) as site:
        page = (await opened(site.url)).page
        await expect(page.locator(".alert").first).to_be_visible()
        await page.evaluate(
            """() => { window.told = []; new MutationObserver(() => window.told.push(performance.now()))
                .observe(document.getElementById('spoken'), {childList: true, characterData: true, subtree: true}); }"""
        )
        async with asyncio.timeout(30):
            while len(await page.evaluate("window.told")) < 2:
                fired += 1
                await site.push(taken=True)
        first, second = (await page.evaluate("window.told"))[:2]
        assert second - first >= 9_900
        await expect(page.locator("#spoken")).to_contain_text("Warning: Longest wait 2:34, limit 2:00, Calls · sales")
