"""The wallboard's page in a real browser, on a real broker: the numbers, as they change, and an honest word without."""

import re
from typing import Final

import pytest
from playwright.async_api import expect

from deploy.embedded.ports import any_free
from schemas.settings import Settings
from schemas.topics import AGENTS
from streams.configuration.environment import load_settings
from streams.journal.step_assembly import Step
from streams.kafka.topic_migration import migrate_topics
from streams.times import now_ms
from tests.dashboards.wallboard_process import minute_now, running, write
from tests.fixtures.browser import MARKS, Open
from tests.kafka.server import KafkaServer
from tests.streams.live.agent_records import agent_in
from tests.streams.live.steps import Journal, contact, contact_key, due, pane_of, pane_record, summary, tag_record

CHAT: Final = "contacts.chat"

pytestmark = list(MARKS)


@pytest.fixture
def settings(fresh_kafka: KafkaServer) -> Settings:
    """Return the settings of a centre in Helsinki, whose topics are there."""
    return fresh_kafka.with_topics(PULSSI_PARTITIONS="2", PULSSI_WALLBOARD_PORT="0", PULSSI_TIME_ZONE="Europe/Helsinki")


def _one_offered() -> Step:
    return Journal(CHAT, 0).step(pane_record(minute_now(), "billing", "offered", pane_of([0])))


async def test_it_shows_the_numbers_and_they_change(settings: Settings, opened: Open) -> None:
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
        watched = await opened(wallboard.url)
        page, row = watched.page, watched.row("chat", "billing")
        await expect(page.locator("body")).to_have_attribute("data-state", "live")
        await expect(row.locator(".cell.waiting b")).to_have_text("1")
        await expect(row.locator(".cell.waiting .stack > small")).to_have_text(re.compile(r"^1:[12]\d$"))
        await expect(row.locator(".mark.breach")).to_have_text("1 late")
        await expect(row.locator(".level > b")).to_have_text("72.7%")
        await expect(row.locator(".mark.below")).to_have_text("below 80% in 60 s")
        await expect(row.locator(".gauge small")).to_have_text("now 66.6%")
        await expect(row.locator(".response b")).to_have_text("0:30")
        await expect(row.locator(".handle b")).to_have_text("1:23")
        await expect(page.locator("#tag-channels li")).to_have_text(["refund7"])
        before = await row.locator(".cell.waiting .stack > small").inner_text()
        await expect(row.locator(".cell.waiting .stack > small")).not_to_have_text(
            before
        )  # the longest wait ticks by itself
        await row.evaluate("row => { row.dataset.same = 'yes' }")
        second = journal.step(
            pane_record(start, "billing", "first_response", pane_of([30_000] * 40, target=60_000)),
            (contact_key("a"), contact(summary(handling=1))),
        )
        await write(settings, [second])
        await expect(row.locator(".mark.met")).to_have_text("meets 80% in 60 s")
        await expect(row.locator(".level > b")).to_have_text("97.5%")
        await expect(row.locator(".cell.waiting b")).to_have_text("0")
        await expect(row).to_have_attribute("data-same", "yes")
        await expect(page.locator("#spoken")).to_contain_text("billing, Chats: service level meets its goal again")
        assert watched.complaints == []
        assert watched.elsewhere == []


async def test_an_empty_centre_says_what_to_do(settings: Settings, opened: Open) -> None:
    """Without any event the page names the command that makes some, and goes over to figures by itself."""
    async with running(settings) as wallboard:
        page = (await opened(wallboard.url)).page
        await expect(page.locator("#empty")).to_be_visible()
        await expect(page.locator("#empty code").first).to_have_text("pulssi simulate --rate 20")
        await write(settings, [_one_offered()])
        await expect(page.locator("#empty")).to_be_hidden()
        await expect(page.locator("#board")).to_be_visible()


async def test_it_is_honest_without_its_broker(settings: Settings, fresh_kafka: KafkaServer, opened: Open) -> None:
    """The broker ends: the page greys out, says why and how old the numbers are; it comes back: so does the page."""
    await write(settings, [_one_offered()])
    async with running(settings) as wallboard:
        watched = await opened(wallboard.url)
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


@pytest.mark.long
async def test_it_is_honest_without_its_server(settings: Settings, opened: Open) -> None:
    """The wallboard's process ends: the page says so within seconds; a new one at the address: it goes on by itself."""
    await write(settings, [_one_offered()])
    async with running(settings) as wallboard:
        page = (await opened(wallboard.url)).page
        await expect(page.locator("body")).to_have_attribute("data-state", "live")
        port = int(wallboard.url.rstrip("/").rpartition(":")[2])
        wallboard.process.kill()
        await wallboard.process.wait()
        await expect(page.locator("body")).to_have_attribute("data-state", "lost")
        await expect(page.locator("#notice")).to_contain_text("connection to the wallboard lost · numbers are 0:")
    async with running(settings.model_copy(update={"wallboard_port": port})):
        await expect(page.locator("body")).to_have_attribute("data-state", "live")


async def test_before_the_broker_it_says_what_it_waits_for(opened: Open) -> None:
    """The page is there before the broker, greyed, and names what is missing."""
    settings = load_settings(
        {"PULSSI_KAFKA_BROKERS": f"127.0.0.1:{any_free('127.0.0.1')}", "PULSSI_WALLBOARD_PORT": "0"}
    )
    async with running(settings) as wallboard:
        page = (await opened(wallboard.url)).page
        await expect(page.locator("body")).to_have_attribute("data-state", "waiting")
        await expect(page.locator("#notice")).to_have_text("waiting for the Kafka broker and its topics")


async def test_agents_are_told_where_a_source_tells_of_them(settings: Settings, opened: Open) -> None:
    """No block without agents; then a row a group, and one for all: by status, with the free slots, or unknown."""
    start = minute_now()
    chats, agents = Journal(CHAT, 0), Journal(AGENTS, 0)
    await write(settings, [chats.step(pane_record(start, "unassigned", "offered", pane_of([0] * 3)))])
    async with running(settings) as wallboard:
        watched = await opened(wallboard.url)
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
        groups = page.locator("#agents-rows tr")
        await expect(groups.locator(".group")).to_have_text(["All agents", "care", "nights"])
        care, nights = groups.nth(1), groups.nth(2)
        await expect(care.locator(".status b")).to_have_text(["1", "1", "0", "0"])
        await expect(nights.locator(".status b")).to_have_text(["0", "0", "1", "1"])
        await expect(nights.locator(".slots")).to_have_text("unknown")
        in_hand = contact(summary(handling=1, handling_agents=["ann"]))
        contained = pane_record(start, "unassigned", "bot_contained", pane_of([0] * 2))
        await write(settings, [chats.step((contact_key("a"), in_hand), contained)])
        await expect(care.locator(".slot b")).to_have_text("5")
        row = watched.row("chat", "unassigned")
        await expect(row.locator(".cell.offered")).to_contain_text("2 bot")
        await expect(row.locator(".name small")).to_have_text("not queued")
        assert watched.complaints == []
