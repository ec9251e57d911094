"""What the wallboard's page does with its message, in a real browser: figures, countdowns, windows, alerts and boards.

The message is made by the test, so that each of its fields is seen on the page whatever the server can tell yet.
"""

import re
from collections.abc import Callable

import pytest
from playwright.async_api import expect

from streams.times import now_ms
from tests.dashboards.board_message import Message, message
from tests.dashboards.page_site import Make, at_now, serving
from tests.fixtures.browser import MARKS, Open
from tests.until import until

pytestmark = list(MARKS)


def changed(change: Callable[[Message], object]) -> Make:
    """Make the scene of this moment with something that is otherwise."""

    def make(window: str, board: str) -> Message:
        made = message(now_ms(), window, board)
        change(made)
        return made

    return make


async def test_one_glance_answers(opened: Open) -> None:
    """Channels by themselves with goal, backlog, forecast and trend; targets that count down; tags; agents; alerts."""
    async with serving(at_now()) as site:
        watched = await opened(site.url, "#60m")
        page, calls, emails = watched.page, watched.card("call"), watched.card("email")
        await expect(page.locator(".channel-card")).to_have_count(3)
        await page.keyboard.press("p")  # on a slow machine the board would turn to the next one meanwhile
        assert await page.locator(".channel-card h2").all_inner_texts() == ["Calls", "Chats", "E-mails"]
        await expect(calls.locator(".waiting dd b")).to_have_text("12")
        await expect(calls.locator(".longest dd b")).to_have_text(re.compile(r"^2:3\d$"))
        await expect(calls.locator(".goal .mark.met")).to_have_text("meets 80% in 20 s")
        await expect(watched.row("call", "sales").locator(".goal .mark.below")).to_have_text("below 80% in 20 s")
        await expect(calls.locator(".waiting .mark.limit")).to_have_text("limit 10")
        await expect(calls.locator(".compared")).to_have_text(re.compile(r"^[\d,]+ today, [+-]?\d+%$"))
        await expect(calls.locator(".forecast td:not(:empty)")).to_have_count(6)
        await expect(calls.locator(".sparkline.hour")).to_have_attribute("aria-label", re.compile("^Last hour: "))
        await expect(emails.locator(".waiting dt")).to_have_text("Backlog")
        await expect(emails.locator(".next-due .due-left")).to_have_text(re.compile(r"^\d+ h \d\d|\d+:\d\d$"))
        await expect(emails.locator(".mark.stale")).to_have_text("2 stale")
        tags = page.locator("#tag-channels .tag-channel").first
        await expect(tags.locator(".grown").first).to_have_text(re.compile(r"^[+-]?\d+%$"))
        await expect(page.locator("#agents-rows tr").first).to_contain_text("All agents")
        urgent = page.locator("#due-channels .due-entry:not([hidden])")
        await expect(urgent.first.locator(".due-left")).to_have_text(re.compile(r"^\d:\d\d late$"))
        before = await urgent.first.locator(".due-left").inner_text()
        await expect(urgent.first.locator(".due-left")).not_to_have_text(before)  # by itself, second by second
        assert (watched.complaints, watched.elsewhere) == ([], [])


async def test_a_countdown_passes_its_target(opened: Open) -> None:
    """In time, at risk, and late: each by its shape and words, without a new message."""

    def soon(made: Message) -> None:
        sent = now_ms()
        (chats,) = [group for group in made["groups"] if (group["channel"], group["queue"]) == ("chat", None)]
        chats["due"] = [
            {**chats["due"][0], "contact_id": "desk:acme:soon", "warns_at": sent + 4_000, "due_at": sent + 6_000}
        ]

    async with serving(changed(soon)) as site:
        watched = await opened(site.url)
        entry = watched.page.locator(".due-entry", has_text="soon")
        for state in ("intime", "risk", "breach"):
            await expect(entry).to_have_attribute("data-due", state)
        await expect(entry.locator(".due-left")).to_have_text(re.compile(r"^0:\d\d late$"))
        await expect(entry.locator("svg.breach")).to_be_visible()
        assert site.sent == 1


async def test_the_window_is_chosen_by_click_key_and_address(opened: Open) -> None:
    """Each way asks for other figures and changes the address, which brings the window back; today is the centre's."""
    async with serving(at_now()) as site:
        watched = await opened(site.url, "#5m")
        page = watched.page
        span = page.locator("#span")
        await expect(span).to_have_text(re.compile(r"^from \d\d:\d\d to \d\d:\d\d$"))
        await page.get_by_role("radio", name="30 min").click()
        await expect(page.locator("body")).to_have_attribute("data-state", "live")
        assert page.url.endswith("#30m")
        await page.keyboard.press("2")
        await expect(page.get_by_role("radio", name="15 min")).to_be_checked()
        assert page.url.endswith("#15m")
        await page.get_by_role("radio", name="15 min").focus()
        await page.keyboard.press("ArrowRight")
        await expect(page.get_by_role("radio", name="30 min")).to_be_checked()
        await page.evaluate("location.hash = '#today'")
        await expect(span).to_contain_text("midnight in Europe/Helsinki")
        await page.reload()
        await expect(page.get_by_role("radio", name="Today")).to_be_checked()
        await page.goto(f"{site.url}?window=60m")
        await expect(page.get_by_role("radio", name="60 min")).to_be_checked()
        assert {asked["window"] for asked in site.asked} >= {"5m", "30m", "15m", "today", "60m"}
        assert watched.complaints == []


async def test_an_alert_is_acknowledged(opened: Open) -> None:
    """The button asks for a name once, tells the server, and what the server then says is shown, unlike a new alert."""
    by: list[str] = []

    def answered(made: Message) -> None:
        for alert in made["alerts"]["listed"][: len(by)]:
            alert["acknowledged"] = {"by": by[0], "at": now_ms()}

    async with serving(changed(answered)) as site:
        watched = await opened(site.url)
        page = watched.page
        first = page.locator(".alert").first
        await expect(first.locator(".mark.critical")).to_have_text("Critical")
        await expect(first.locator(".alert-words")).to_have_text(
            "Targets are missed 3.4 times as fast as the goal allows, limit 3.0"
        )
        await expect(first.locator(".alert-since")).to_have_text(re.compile(r"^since (\d\d/\d\d, )?\d\d:\d\d$"))
        await first.get_by_role("button").click()
        await page.get_by_label("Name", exact=True).fill("Aino")
        await page.keyboard.press("Enter")
        await expect(first.get_by_role("button")).to_have_text("Being acknowledged…")
        await until(lambda: site.acknowledged)  # the page says so before the server is asked
        assert site.acknowledged == [(f"{1:016x}", {"by": "Aino"})]
        by.append("Aino")
        await site.push()
        await expect(first).to_have_class(re.compile("acknowledged"))
        await expect(first.locator(".alert-owner")).to_have_text(re.compile(r"^Aino since (\d\d/\d\d, )?\d\d:\d\d$"))
        await expect(first.get_by_role("button")).to_be_hidden()
        await expect(first).to_be_focused()  # who came by keys goes on from here
        site.answer = 409
        second = page.locator(".alert").nth(1)
        await second.get_by_role("button").click()  # the name is known now
        await expect(second.locator(".alert-trouble")).to_have_text("This alert does not fire any more")
        assert site.acknowledged[1] == (f"{2:016x}", {"by": "Aino"})
        assert [word for word in watched.complaints if "409" not in word] == []


@pytest.mark.long
async def test_alerts_that_are_not_known_do_not_look_calm(opened: Open) -> None:
    """Before they are read, and when they are old, the panel says so; with none at all it says that nothing fires."""

    def state(word: str) -> Callable[[Message], None]:
        def change(made: Message) -> None:
            made["alerts"] = {"state": word, "total": 0, "listed": []}

        return change

    async with serving(changed(state("waiting"))) as site:
        page = (await opened(site.url)).page
        await expect(page.locator("#alerts")).to_contain_text("Not known: the alerts are not read yet")
        await expect(page.locator("#alerts-none")).to_be_hidden()
        await site.push(changed(state("live")))
        await expect(page.locator("#alerts-none")).to_have_text("No alerts")
        await site.push(changed(lambda made: made["alerts"].update(state="stale")))
        await expect(page.locator("#alerts")).to_contain_text("Not known now: these were the last")
        await expect(page.locator(".alert")).to_have_count(4)
        await site.push(changed(lambda made: made.pop("alerts")))
        await expect(page.locator("#alerts")).to_contain_text("Not known")


async def test_boards_rotate_until_somebody_uses_the_page(opened: Open) -> None:
    """A team's board has its own queues and agents; a board turns into the next in place; a key pauses that."""

    def quick(window: str, board: str) -> Message:
        made = message(now_ms(), window, board)
        made["board"]["rotate_s"] = 1
        return made

    async with serving(quick) as site:
        watched = await opened(site.url, "board/sales")
        page = watched.page
        await expect(page.locator("#rows .row.queue")).to_have_count(2)
        await expect(page.locator("#agents-rows .group")).to_have_text(["sales"])
        await page.evaluate("document.body.dataset.same = 'yes'")
        await page.wait_for_url("**/board/support")
        await page.wait_for_url("**/board/default")
        await expect(page.locator("body")).to_have_attribute("data-same", "yes")
        await page.keyboard.press("p")
        await expect(page.locator("#rotation-words")).to_have_text("paused")
        await page.locator("#board-choice").select_option("support")
        await expect(page).to_have_title(re.compile("Technical support$"))
        await expect(page.locator("#rows .row.queue")).to_have_count(2)
        await page.go_back()
        await expect(page.locator("#rows .row.queue")).to_have_count(9)
        assert watched.complaints == []


@pytest.mark.long
async def test_the_board_says_its_window(opened: Open) -> None:
    """Until somebody chooses another."""
    wide = changed(lambda made: made["board"].update(window="60m"))
    async with serving(wide) as site:
        page = (await opened(site.url)).page
        await expect(page.get_by_role("radio", name="60 min")).to_be_checked()
        await page.keyboard.press("1")
        await expect(page.get_by_role("radio", name="5 min", exact=True)).to_be_checked()
        await site.push()
        await expect(page.locator("body")).to_have_attribute("data-state", "live")
        await expect(page.get_by_role("radio", name="5 min", exact=True)).to_be_checked()


@pytest.mark.long
async def test_a_message_of_an_older_server_is_enough(opened: Open) -> None:
    """Without boards, alerts, targets, trends, forecasts and tags' past the rest is shown, and nothing breaks."""

    def older(made: Message) -> None:
        for name in ("board", "boards", "alerts", "past"):
            del made[name]
        for group in made["groups"]:
            for name in ("due", "trend", "compared", "projection"):
                del group[name]

    async with serving(changed(older)) as site:
        watched = await opened(site.url)
        await expect(watched.row("call", "billing").locator(".cell.waiting b")).to_have_text("2")
        await expect(watched.card("call").locator(".forecast")).to_be_hidden()
        await expect(watched.page.locator("#boards")).to_be_hidden()
        assert watched.complaints == []


async def test_a_name_turns_nothing_around(opened: Open) -> None:
    """Any name is shown as a text, and one that would reverse what stands behind it is marked."""
    name = "<img src=x>\u202egnp"

    def hostile(made: Message) -> None:
        for group in made["groups"]:
            if group["queue"] == "sales":
                group["queue"] = name
            for due in group["due"]:
                due["queue"] = name

    async with serving(changed(hostile)) as site:
        watched = await opened(site.url)
        entry = watched.page.locator("#due-channels .due-entry:not([hidden])").first
        await expect(entry).to_contain_text("<img src=x>\ufffdgnp")
        await expect(watched.page.locator("body")).not_to_contain_text("\u202e")
        await expect(watched.page.locator("img[src=x]")).to_have_count(0)
        assert (watched.complaints, watched.elsewhere) == ([], [])
