"""The wallboard's page in a real browser, on a real broker: the numbers, as they change, and an honest word without.

Chromium is found on the PATH, or named by CHROMIUM in the environment; nothing is ever downloaded.
"""

import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from deploy.embedded.ports import any_free
from schemas.settings import Settings
from schemas.topics import AGENTS
from streams.configuration.environment import load_settings
from streams.journal.step_assembly import Step
from streams.kafka.topic_migration import migrate_topics
from streams.times import now_ms
from tests.dashboards.scene import QUEUES, day_so_far
from tests.dashboards.wallboard_process import Wallboard, minute_now, running, write
from tests.kafka.server import KafkaServer
from tests.streams.live.agent_records import agent_in
from tests.streams.live.steps import Journal, contact, contact_key, due, pane_of, pane_record, summary, tag_record

CHROMIUM: Final = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
WITHIN_MS: Final = 20_000
CHAT = "contacts.chat"

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH (or in the environment as CHROMIUM)"),
]

expect.set_options(timeout=WITHIN_MS)


@pytest.fixture
def settings(fresh_kafka: KafkaServer) -> Settings:
    """Return the settings of a centre in Helsinki, whose topics are there."""
    return fresh_kafka.with_topics(PULSSI_PARTITIONS="2", PULSSI_WALLBOARD_PORT="0", PULSSI_TIME_ZONE="Europe/Helsinki")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Return a headless Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def _closed(browser: Browser) -> AsyncIterator[None]:
    """Leave no page to the next test."""
    yield
    for context in browser.contexts:
        await context.close()


def _one_offered() -> Step:
    return Journal(CHAT, 0).step(pane_record(minute_now(), "billing", "offered", pane_of([0])))


class Watched:
    """A page, and all that it complained of or asked elsewhere."""

    def __init__(self, page: Page, wallboard: Wallboard) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "request",
            lambda request: None if request.url.startswith(wallboard.url) else self.elsewhere.append(request.url),
        )

    def row(self, channel: str, queue: str = "") -> Locator:
        """Find a queue's row, or a channel's."""
        return self.page.locator(f'.row[data-channel="{channel}"][data-queue="{queue}"]')


async def _open(browser: Browser, wallboard: Wallboard, path: str = "", **options: Any) -> Watched:  # noqa: ANN401 - playwright's options
    size = options.pop("size", (1920, 1080))
    context = await browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
    watched = Watched(await context.new_page(), wallboard)
    await watched.page.goto(f"{wallboard.url}{path}")
    return watched


async def test_it_shows_the_numbers_and_they_change(settings: Settings, browser: Browser) -> None:
    """A queue's row tells waiting, counts, service level in words, times and tags; a new step changes it in place."""
    start, since = minute_now(), now_ms() - 75_000
    journal = Journal(CHAT, 0)
    first = journal.step(
        pane_record(start, "billing", "offered", pane_of([0] * 12)),
        pane_record(start, "billing", "first_response", pane_of([30_000] * 8 + [90_000, 83_000], target=60_000)),
        pane_record(start, "billing", "handle", pane_of([83_000])),
        pane_record(start, "billing", "abandoned", pane_of([2_000, 90_000], target=60_000, short=5_000)),
        tag_record(start, "billing", "refund", 7),
        (contact_key("a"), contact(summary(waiting_since=since, deadlines=[due(since, 60_000)]))),
    )
    await write(settings, [first])
    async with running(settings) as wallboard:
        watched = await _open(browser, wallboard)
        page, row = watched.page, watched.row("chat", "billing")
        await expect(page.locator("body")).to_have_attribute("data-state", "live")
        await expect(row.locator(".waiting b")).to_have_text("1")
        await expect(row.locator(".waiting small")).to_have_text(re.compile(r"^1:[12]\d$"))
        await expect(row.locator(".mark.breach")).to_have_text("1 late")
        await expect(row.locator(".level > b")).to_have_text("72.7 %")
        await expect(row.locator(".mark.below")).to_have_text("below 80 % in 60 s")
        await expect(row.locator(".gauge small")).to_have_text("now 66.6 %")
        await expect(row.locator(".pair b")).to_have_text(["0:30", "1:23"])
        await expect(row.locator(".tags li")).to_have_text(["refund7"])
        before = await row.locator(".waiting small").inner_text()
        await expect(row.locator(".waiting small")).not_to_have_text(before)  # the longest wait ticks by itself
        await row.evaluate("row => { row.dataset.same = 'yes' }")
        second = journal.step(
            pane_record(start, "billing", "first_response", pane_of([30_000] * 40, target=60_000)),
            (contact_key("a"), contact(summary(handling=1))),
        )
        await write(settings, [second])
        await expect(row.locator(".mark.met")).to_have_text("meets 80 % in 60 s")
        await expect(row.locator(".level > b")).to_have_text("97.5 %")
        await expect(row.locator(".waiting b")).to_have_text("0")
        await expect(row).to_have_attribute("data-same", "yes")
        await expect(page.locator("#spoken")).to_have_text("billing, Chats: service level meets its goal again")
        assert watched.complaints == []
        assert watched.elsewhere == []


async def test_the_window_is_chosen_by_click_key_and_address(settings: Settings, browser: Browser) -> None:
    """Each way changes the figures and the address; the address brings the window back; today is the centre's."""
    start = minute_now()
    await write(
        settings,
        [
            Journal(CHAT, 0).step(
                pane_record(start, "billing", "offered", pane_of([0])),
                pane_record(start - 20 * 60_000, "billing", "offered", pane_of([0, 0])),
            )
        ],
    )
    async with running(settings) as wallboard:
        watched = await _open(browser, wallboard, "#5m")
        page = watched.page
        offered = watched.row("chat", "billing").locator(".cell.num b").first
        await expect(offered).to_have_text("1")
        await page.get_by_role("radio", name="30 min").click()
        await expect(offered).to_have_text("3")
        assert page.url.endswith("#30m")
        await page.keyboard.press("2")
        await expect(offered).to_have_text("1")
        assert page.url.endswith("#15m")
        await page.get_by_role("radio", name="15 min").focus()
        await page.keyboard.press("ArrowRight")
        await expect(offered).to_have_text("3")
        await page.evaluate("location.hash = '#today'")
        await expect(page.locator("#span")).to_contain_text("midnight in Europe/Helsinki")
        await page.reload()
        await expect(page.get_by_role("radio", name="Today")).to_be_checked()
        assert watched.complaints == []


async def test_an_empty_centre_says_what_to_do(settings: Settings, browser: Browser) -> None:
    """Without any event the page names the command that makes some, and goes over to figures by itself."""
    async with running(settings) as wallboard:
        page = (await _open(browser, wallboard)).page
        await expect(page.locator("#empty")).to_be_visible()
        await expect(page.locator("#empty code").first).to_have_text("pulssi simulate --rate 20")
        await write(settings, [_one_offered()])
        await expect(page.locator("#empty")).to_be_hidden()
        await expect(page.locator("#board")).to_be_visible()


async def test_it_is_honest_without_its_broker(settings: Settings, fresh_kafka: KafkaServer, browser: Browser) -> None:
    """The broker ends: the page greys out, says why and how old the numbers are; it comes back: so does the page."""
    await write(settings, [_one_offered()])
    async with running(settings) as wallboard:
        watched = await _open(browser, wallboard)
        page = watched.page
        await expect(page.locator("body")).to_have_attribute("data-state", "live")
        fresh_kafka.kill()
        await expect(page.locator("body")).to_have_attribute("data-state", "stale")
        await expect(page.locator("#notice")).to_have_text(
            re.compile(r"the Kafka broker does not answer · numbers are 0:\d\d old")
        )
        await expect(page.locator("#spoken")).to_contain_text("does not answer")
        assert "grayscale" in await page.locator("main").evaluate("main => getComputedStyle(main).filter")
        await expect(watched.row("chat", "billing")).to_be_visible()
        fresh_kafka.start()
        assert migrate_topics(settings, wait_s=10).ok
        await expect(page.locator("body")).to_have_attribute("data-state", "live", timeout=60_000)
        await expect(page.locator("#notice")).to_be_hidden()


async def test_it_is_honest_without_its_server(settings: Settings, browser: Browser) -> None:
    """The wallboard's process ends: the page says so within seconds; a new one at the address: it goes on by itself."""
    await write(settings, [_one_offered()])
    async with running(settings) as wallboard:
        page = (await _open(browser, wallboard)).page
        await expect(page.locator("body")).to_have_attribute("data-state", "live")
        port = int(wallboard.url.rstrip("/").rpartition(":")[2])
        wallboard.process.kill()
        await wallboard.process.wait()
        await expect(page.locator("body")).to_have_attribute("data-state", "lost")
        await expect(page.locator("#notice")).to_contain_text("connection to the wallboard lost · numbers are 0:")
    async with running(settings.model_copy(update={"wallboard_port": port})):
        await expect(page.locator("body")).to_have_attribute("data-state", "live")


async def test_before_the_broker_it_says_what_it_waits_for(browser: Browser) -> None:
    """The page is there before the broker, greyed, and names what is missing."""
    settings = load_settings(
        {"PULSSI_KAFKA_BROKERS": f"127.0.0.1:{any_free('127.0.0.1')}", "PULSSI_WALLBOARD_PORT": "0"}
    )
    async with running(settings) as wallboard:
        page = (await _open(browser, wallboard)).page
        await expect(page.locator("body")).to_have_attribute("data-state", "waiting")
        await expect(page.locator("#notice")).to_have_text("waiting for the Kafka broker and its topics")


async def test_a_whole_centre_fits(settings: Settings, browser: Browser, tmp_path: Path) -> None:
    """Eleven rows fit a wall without scrolling, a phone scrolls down only, and no cell runs into the next."""
    lanes: dict[tuple[str, int], Step] = {}
    for step in day_so_far(now_ms(), minutes=70, partitions=2):  # hundreds of steps, written as one a lane
        before = lanes[step.source, step.partition].records if (step.source, step.partition) in lanes else []
        lanes[step.source, step.partition] = step._replace(records=[*before, *step.records])
    await write(settings, list(lanes.values()))
    async with running(settings) as wallboard:
        for width, height, scheme in ((1920, 1080, "dark"), (1920, 1080, "light"), (390, 844, "light")):
            watched = await _open(browser, wallboard, "#60m", size=(width, height), color_scheme=scheme)
            page = watched.page
            await expect(page.locator(".row.queue")).to_have_count(len(QUEUES))
            await expect(page.locator("body")).to_have_attribute("data-state", "live")
            await page.screenshot(path=tmp_path / "wallboard.png", full_page=True)
            wide, high = await page.evaluate(
                "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
            )
            assert wide <= width
            if width > 1100:
                assert high <= height
            spilled = await page.evaluate(
                """() => [...document.querySelectorAll(
                    '.row:not(.head) > *, .tile, .card, .card dt, .statuses, .slots')]
                    .filter((cell) => cell.scrollWidth > cell.clientWidth + 1)
                    .map((cell) => `${cell.className}: ${cell.textContent}`)"""
            )
            assert spilled == []
            assert watched.complaints == []


async def test_agents_are_told_where_a_source_tells_of_them(settings: Settings, browser: Browser) -> None:
    """No block without agents; then a card a group, and one for all: by status, slots in use and free, or unknown."""
    start = minute_now()
    chats, agents = Journal(CHAT, 0), Journal(AGENTS, 0)
    await write(settings, [chats.step(pane_record(start, "unassigned", "offered", pane_of([0] * 3)))])
    async with running(settings) as wallboard:
        watched = await _open(browser, wallboard)
        page = watched.page
        await expect(watched.row("chat", "unassigned")).to_be_visible()
        await expect(page.locator("#agents")).to_be_hidden()
        since = now_ms() - 1_000
        states = [
            agent_in("ann", "busy", ["care"], {"chat": 3}, since),
            agent_in("ben", "available", ["care"], {"chat": 3}, since),
            agent_in("cid", "away", ["nights"], {}, since),
            agent_in("dot", "wrap_up", ["nights"], {}, since),
        ]
        await write(settings, [agents.step(*states)])
        cards = page.locator("#agents .card")
        await expect(cards.locator("dt b")).to_have_text(["All agents", "care", "nights"])
        care, nights = cards.nth(1), cards.nth(2)
        await expect(care.locator(".status b")).to_have_text(["1", "1", "0", "0"])
        await expect(nights.locator(".status b")).to_have_text(["0", "0", "1", "1"])
        await expect(nights.locator(".slots")).to_have_text("slots unknown")
        in_hand = contact(summary(handling=1, handling_agents=["ann"]))
        contained = pane_record(start, "unassigned", "bot_contained", pane_of([0] * 2))
        await write(settings, [chats.step((contact_key("a"), in_hand), contained)])
        await expect(care.locator(".slot b")).to_have_text("1 of 6")
        await expect(care.locator(".slot small")).to_have_text("in use, 5 free")
        row = watched.row("chat", "unassigned")
        await expect(row.locator(".cell.num").nth(1)).to_contain_text("2 bot")
        await expect(row.locator(".name small")).to_have_text("not queued")
        assert watched.complaints == []


async def test_numbers_that_grow_move_nothing(settings: Settings, browser: Browser) -> None:
    """From one digit to five, every cell stays where it was."""
    journal = Journal(CHAT, 0)
    start = minute_now()
    await write(settings, [journal.step(pane_record(start, "billing", "offered", pane_of([0])))])
    places = """() => [...document.querySelectorAll('.row.queue > *')].map((cell) => {
        const box = cell.getBoundingClientRect(); return [box.left, box.width, box.height].map(Math.round); })"""
    async with running(settings) as wallboard:
        watched = await _open(browser, wallboard)
        row = watched.row("chat", "billing")
        await expect(row.locator(".cell.num b").first).to_have_text("1")
        before = await watched.page.evaluate(places)
        grown = journal.step(
            pane_record(start, "billing", "offered", pane_of([0])._replace(n=12_345)),
            pane_record(start, "billing", "first_response", pane_of([7_440_000] * 9, target=60_000)),
            pane_record(start, "billing", "handle", pane_of([8_000_000] * 3)),
            *(
                (contact_key(str(n)), contact(summary(waiting_since=start - 50_000_000, deadlines=[due(0, 1)])))
                for n in range(1_200)
            ),
        )
        await write(settings, [grown])
        await expect(row.locator(".cell.num b").first).to_have_text("12,345")
        assert await watched.page.evaluate(places) == before
        assert await row.locator(".waiting b").evaluate("b => b.scrollWidth <= b.clientWidth")
