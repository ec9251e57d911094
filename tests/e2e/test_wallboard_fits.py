"""The wallboard's page on any screen and for any time: nothing clipped or moved, many queues bearable, no growth."""

import gc
import re
from typing import Final

import pytest
from playwright.async_api import Page, expect

from streams.times import now_ms
from tests.dashboards.board_message import BOARDS, QUEUES, TEAMS, Message, many_queues, message
from tests.dashboards.page_site import at_now, serving
from tests.e2e.page_weight import weight
from tests.fixtures.browser import MARKS, Open

pytestmark = list(MARKS)

#: Cells whose content runs out of them. Names and tags that are cut end in an ellipsis, and have a hint.
SPILLED: Final = """() => [...document.querySelectorAll(
    `.row > *, .channel-card, .figures-row > *, .figure > *, .forecast, .panel, .alert, .alert > *, .due-entry,
    .agents table, .cell .number, .stack, .marks, .head small, header.top > *`)]
    .filter((cell) => cell.offsetParent !== null && cell.scrollWidth > cell.clientWidth + 1)
    .filter((cell) => getComputedStyle(cell).textOverflow !== 'ellipsis' && getComputedStyle(cell).display !== 'inline')
    .map((cell) => `${cell.className}: ${cell.textContent} ${cell.scrollWidth} > ${cell.clientWidth}`)"""
#: What lies below the end of a wall, or of a part of it that cannot be scrolled.
CUT: Final = """() => [document.documentElement, document.getElementById('figures'), document.getElementById('rail')]
    .filter((part) => part.scrollHeight > part.clientHeight + 1).map((part) => part.id || 'page')"""

#: Text that people are to see, in letters of fewer pixels than they can read.
TOO_SMALL: Final = """() => {
    const found = new Set(), texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const { parentElement: of, textContent: text } = texts.currentNode;
        if (!text.trim() || !of.checkVisibility() || getComputedStyle(of).clipPath !== 'none') continue;
        const pixels = parseFloat(getComputedStyle(of).fontSize);
        if (pixels < 11) found.add(`${of.className} in ${of.parentElement.className}: ${pixels} ${text}`);
    }
    return [...found]; }"""

SIZES: Final = ((1920, 1080), (1280, 720), (390, 844))


async def _all_queues(page: Page) -> None:
    """Wait until each queue is there, or is counted among those that are left out."""
    await expect(page.locator(".row.queue").nth(6)).to_be_visible()
    shown = await page.locator(".row.queue").count()
    if shown < len(QUEUES):
        await expect(page.locator("#more")).to_have_text(re.compile(rf"\b{len(QUEUES) - shown}\b"))


async def _check(page: Page, width: int) -> None:
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert await page.evaluate(SPILLED) == []
    if width > 1100:
        assert await page.evaluate(CUT) == []


async def test_a_whole_centre_fits(opened: Open) -> None:
    """A wall shows it without scrolling, a phone scrolls down only, and nothing runs into the next."""
    async with serving(at_now()) as site:
        for width, height in SIZES:
            watched = await opened(site.url, "#60m", size=(width, height))
            await _all_queues(watched.page)
            await expect(watched.page.locator(".alert")).to_have_count(4)
            await _check(watched.page, width)
            assert watched.complaints == []


@pytest.mark.long
@pytest.mark.parametrize("language", ["fi", "nb", "sv"])
async def test_it_fits_in_each_language(opened: Open, language: str) -> None:
    """Words are longer in some."""
    async with serving(at_now()) as site:
        for width, height in SIZES:
            watched = await opened(site.url, f"?lang={language}#60m", size=(width, height))
            await _all_queues(watched.page)
            await _check(watched.page, width)


async def test_of_many_queues_the_worst_are_shown(opened: Open) -> None:
    """200 queues: letters shrink to a limit, then the worst come first, and it is said how many more there are."""
    many = many_queues(201)
    async with serving(at_now(queues=many)) as site:
        watched = await opened(site.url)
        page = watched.page
        await expect(page.locator("#more")).to_be_visible()
        seen = await page.locator(".row.queue").count()
        assert 8 <= seen < 60
        await expect(page.locator("#more")).to_have_text(
            f"Only the worst queues are shown; {len(many) - seen} more are left out"
        )
        below = await page.locator(".row.queue .mark.below:visible").count()
        assert below >= seen - 2, "every seventh queue is in trouble: those are the ones to see"
        await _check(page, 1920)
        assert await page.locator("html").evaluate("root => parseFloat(getComputedStyle(root).fontSize)") > 11.5


@pytest.mark.parametrize("size", [(1280, 720), (390, 844), (1101, 600)])
async def test_no_letters_are_too_small_to_read(opened: Open, size: tuple[int, int]) -> None:
    """11 pixels at least, also of 200 queues, in a dialog, and while the figures are old: fewer rows, then."""
    now = now_ms()

    def old(window: str, board: str) -> Message:
        made = message(now - 47_000, window, board)
        return {**made, "at": now_ms(), "state": "stale", "reason": "the Kafka broker does not answer"}

    for make in (at_now(), at_now(queues=many_queues(201)), old):
        async with serving(make) as site:
            page = (await opened(site.url, "?lang=fi#60m", size=size)).page
            await expect(page.locator(".row.queue").first).to_be_visible()
            assert await page.evaluate(TOO_SMALL) == []
            await _check(page, size[0])
            await page.keyboard.press("?")
            await expect(page.locator("#meanings-list dd").first).to_be_visible()
            assert await page.evaluate(TOO_SMALL) == []


async def test_what_does_not_fit_is_counted(opened: Open) -> None:
    """Queues and groups of agents that there is no room for: none goes without a word."""
    async with serving(at_now()) as site:
        page = (await opened(site.url, "#60m", size=(1280, 720))).page
        await expect(page.locator(".row.queue").first).to_be_visible()
        left = len(QUEUES) - await page.locator(".row.queue").count()
        assert 0 < left < 4
        await expect(page.locator("#more")).to_have_text(re.compile(rf"^Only the worst queues are shown; {left} more "))
        named = await page.locator(".row.channel .name small").all_text_contents()
        assert sum(int(each) for each in named if each) == left
        await expect(page.locator(".row.queue.below-goal")).to_have_count(3)
        groups = await page.locator("#agents-rows tr").count() - 1  # the first is all of them
        await expect(page.locator(".more-groups")).to_have_text(
            f"+{len(TEAMS) - groups}" if groups < len(TEAMS) else ""
        )


@pytest.mark.long
async def test_it_can_be_read_from_afar(opened: Open) -> None:
    """Letters half as large again, or twice: less is shown, and what is shown fits."""
    async with serving(at_now()) as site:
        for scale in ("1.5", "2"):
            page = (await opened(site.url, f"?scale={scale}")).page
            await expect(page.locator(".row.queue").first).to_be_visible()
            assert await page.evaluate("document.documentElement.scrollWidth") <= 1920
            assert await page.evaluate(SPILLED) == []


async def test_numbers_that_grow_move_nothing(opened: Open) -> None:
    """From one digit to five, every cell stays where it was."""
    grown = False

    def make(window: str, board: str) -> Message:
        made = message(now_ms(), window, board)
        for group in made["groups"]:
            figures = group["windows"][window]
            figures["offered"] = figures["answered"] = 12_345 if grown else 1
            figures["abandoned"] = 12_345 if grown else 0
            group["now"].update(
                waiting=1_200 if grown else 1,
                oldest_waiting_since=made["at"] - (50_000_000 if grown else 1_000),
                breached=1_200 if grown else 0,
                awaiting_reply=1_200 if grown else 0,
            )
            figures["first_response"].update(p50_ms=7_440_000 if grown else 1_000)
        return made

    places = """() => [...document.querySelectorAll(
        '.row.queue > *, .channel-card, .channel-card .figures-row > * > *')].map((cell) => {
            const box = cell.getBoundingClientRect(); return [box.left, box.width].map(Math.round); })"""
    async with serving(make) as site:
        watched = await opened(site.url)
        offered = watched.row("chat", "billing").locator(".offered b")
        await expect(offered).to_have_text("1")
        before = await watched.page.evaluate(places)
        grown = True
        await site.push()
        await expect(offered).to_have_text("12,345")
        assert await watched.page.evaluate(places) == before
        await _check(watched.page, 1920)


@pytest.mark.long
async def test_it_does_not_grow(opened: Open) -> None:
    """Thousands of messages, with alerts, queues, contacts and boards that come and go: neither heap nor nodes grow."""
    number = 0

    def make(window: str, board: str) -> Message:
        made = message(now_ms(), window, board, seed=number, queues=QUEUES[: 6 + number % 4])
        for place, each in enumerate(made["alerts"]["listed"]):
            each["id"] = f"{number // 5}-{place}"
        made["groups"][0]["now"]["open"] = number
        made["reason"] = str(number)
        return made

    async with serving(make) as site:
        site.ticking = False
        page = (await opened(site.url)).page
        await expect(page.locator(".alert").first).to_be_visible()

        async def drive(messages: int) -> None:
            nonlocal number
            for _ in range(messages):
                number += 1
                await site.push(taken=True)
                if number % 50 == 0:  # the page keeps up: nothing waits in the browser when it is weighed
                    board = BOARDS[number // 50 % len(BOARDS)]
                    await page.locator("#board-choice").select_option(board["name"])
                    await expect(page).to_have_title(f"Pulssi · {board['title']}")
            gc.collect()

        await drive(300)
        heap, nodes = await weight(page)
        await drive(2_000)
        heap_after, nodes_after = await weight(page)
        assert nodes_after <= nodes * 1.1 + 200, (nodes, nodes_after)
        assert heap_after <= heap * 1.15 + 400_000, (heap, heap_after)
