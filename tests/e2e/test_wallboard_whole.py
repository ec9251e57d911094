"""The wallboard's page in a real browser at the end of the whole stack: what it shows is what ClickHouse's views hold.

One stack for all of it, so the tests build on each other: what comes first is there when the next one looks.
"""

import asyncio
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Page, expect

from schemas.settings import Settings
from streams.configuration.environment import load_settings
from tests.chaos.kills import kill
from tests.e2e.page_weight import weight
from tests.fixtures.browser import MARKS, Open, Watched
from tests.fixtures.stack import Stack
from tests.streams.flow import chat_event, keyed, produce, simulated

pytestmark = list(MARKS)

EVENTS: Final = 3_000
RATE: Final = 1.5
#: Long enough ago for the whole run to be over by now.
AGO: Final = timedelta(seconds=EVENTS / RATE + 300)
#: The machine is shared, and the archive stands back behind the wallboard.
EQUAL_WITHIN_S: Final = 60.0
#: So narrow that the page scrolls, and lists all that there is.
SIZE: Final = (1000, 2000)
#: What the page shows where there is nothing to divide by.
NONE: Final = "\N{EN DASH}"
#: The queue in which somebody waits too long at once.
PROMISED: Final = "promised"
CONFIG: Final = {
    "policies": "".join(
        f'[[policy]]\nname = "{channel}"\nmetric = "first_response"\nchannel = "{channel}"\ntarget = "{target}"\n'
        "objective = 0.05\n"
        for channel, target in (("call", "20s"), ("chat", "60s"), ("email", "4h"))
    ),
    "alerts": "[contact]\nchannels = []\n[[floor]]\nname = 'kept waiting'\ncondition = 'longest_wait'\nwait = '1s'\n"
    f"hold = '0s'\nhours = 'always'\nseverity = 'critical'\nqueue = '{PROMISED}'\n",
}
#: Each row of the table, a queue's or (without a queue) a channel's, and each row of agents, in the page's words.
_ON_THE_PAGE: Final = """() => {
    const text = (node) => node.textContent.trim();
    const rows = [...document.querySelectorAll("#rows .row")].map((row) => [
        [row.dataset.channel, row.dataset.queue],
        text(row.querySelector(".cell.waiting b")),
        text(row.querySelector(".cell.offered b")),
        row.querySelector(".cell.offered small").title.split(" ")[0],
        text(row.querySelector(".cell.abandoned b")),
        text(row.querySelector(".level > b")),
    ]);
    const agents = [...document.querySelectorAll("#agents-rows tr")].map((row) => [
        text(row.querySelector(".group")), ...[...row.querySelectorAll(".status b")].map(text),
    ]);
    return { rows, agents, state: document.body.dataset.state };
}"""
_DAY: Final = """
    SELECT channel, if(grouping(queue) = 1, '', queue) AS name, sum(offered), sum(answered), sum(abandoned),
        pulssi_service_level('short_excluded', sum(answered_with_target), sum(n_within), sum(abandoned_with_target),
            sum(abandoned_within), sum(short))
    FROM intervals WHERE interval = 'day' GROUP BY GROUPING SETS ((channel, queue), (channel))"""
_WAITING: Final = """
    SELECT channel, if(grouping(queue) = 1, '', queue) AS name, sum(waiting)
    FROM gauges GROUP BY GROUPING SETS ((channel, queue), (channel))"""
_AGENTS: Final = (
    "SELECT if(agent_group = '', 'no group', agent_group), available, busy, wrap_up, away FROM agent_groups"
)
_ALL_AGENTS: Final = """
    SELECT 'All agents', countIf(status = 'available'), countIf(status = 'busy'), countIf(status = 'wrap_up'),
        countIf(status = 'away') FROM agents"""


def _where_it_is_noon() -> str:
    """Name a time zone in which the last hour or so is of today, and busy."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"


def _made(seed: int, ago: timedelta = AGO, events: int = EVENTS) -> list[dict[str, Any]]:
    """Simulate a time up to now, of which many contacts are open still."""
    began = int((datetime.now(UTC) - ago).timestamp() * 1000)
    return simulated(events, RATE, seed, began, zone=ZoneInfo(_where_it_is_noon()))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run a stack whose day began hours ago and has had contacts, and in which one queue's alert fires at once."""
    config = tmp_path_factory.mktemp("config")
    for name, text in {**CONFIG, "centre": f'time_zone = "{_where_it_is_noon()}"\n'}.items():
        (config / f"{name}.toml").write_text(text)
    with Stack(tmp_path_factory.mktemp("stack") / "data", config) as stack:
        stack.replay(_made(seed=21), "--speed", "max")
        yield stack


def _share(value: float | None) -> str:
    """Write a share as the page does: cut to a tenth of a per cent, never rounded up."""
    if value is None or math.isnan(value):
        return NONE
    return "100%" if value >= 1 else f"{math.floor(value * 1000 + 1e-6) / 10:.1f}%"


def _in_clickhouse(stack: Stack) -> dict[str, Any]:
    """Say what the views hold, as the page has to say it."""
    waiting = {(channel, queue): n for channel, queue, n in stack.rows(_WAITING)}
    rows = {
        (channel, queue): (*(f"{n:,}" for n in (waiting.pop((channel, queue), 0), *counts)), _share(level))
        for channel, queue, *counts, level in stack.rows(_DAY)
    }
    assert not any(waiting.values()), f"somebody waits where nobody came: {waiting}"
    groups = [*stack.rows(_ALL_AGENTS), *stack.rows(_AGENTS)]
    return {"rows": rows, "agents": {name: [f"{n:,}" for n in counts] for name, *counts in groups}, "state": "live"}


async def _on_the_page(page: Page) -> dict[str, Any]:
    said = await page.evaluate(_ON_THE_PAGE)
    return {
        "rows": {tuple(group): tuple(figures) for group, *figures in said["rows"]},
        "agents": {name: counts for name, *counts in said["agents"]},
        "state": said["state"],
    }


#: The page also shows queues in which something else is counted, such as a rating.
_NOTHING: Final = ("0", "0", "0", "0", NONE)


def _differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    told = [f"state {one['state']}"] if one["state"] != other["state"] else []
    for part in ("rows", "agents"):
        names = one[part].keys() | other[part].keys()
        told += [
            f"{n}: {one[part].get(n)} / {other[part].get(n)}"
            for n in names
            if one[part].get(n, _NOTHING) != other[part].get(n, _NOTHING)
        ]
    return told


async def _await_equal(page: Page, stack: Stack) -> dict[str, Any]:
    """Return what page and views say, once they say the same; fails with what differs."""
    told: list[str] = []
    try:
        async with asyncio.timeout(EQUAL_WITHIN_S):
            while True:
                held = await asyncio.to_thread(_in_clickhouse, stack)
                told = _differences(await _on_the_page(page), held)
                if not told:
                    return held
                await asyncio.sleep(0.3)
    except TimeoutError:
        raise AssertionError("\n".join(["page / ClickHouse:", *told])) from None


def _settings(stack: Stack) -> Settings:
    return load_settings({"PULSSI_KAFKA_BROKERS": stack.parts["broker"].url})


async def _come(stack: Stack, queue: str, number: int) -> None:
    """Have a chat come and wait in a queue."""
    contact_id, at = f"e2e:page:{queue}:{number}", datetime.now(UTC).isoformat(timespec="milliseconds")
    events = [chat_event(kind, contact_id, at, queue=queue) for kind in ("contact.started", "contact.queued")]
    await asyncio.to_thread(produce, _settings(stack), keyed(events))


async def _opened(opened: Open, stack: Stack) -> Watched:
    watched = await opened(stack.parts["wallboard"].url, "?window=today", size=SIZE)
    await expect(watched.page.locator("body")).to_have_attribute("data-state", "live")
    return watched


async def _until(held: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(EQUAL_WITHIN_S):
            while not await asyncio.to_thread(held):  # noqa: ASYNC110 - ClickHouse says nothing by itself
                await asyncio.sleep(0.3)
    except TimeoutError:
        raise AssertionError(what) from None


async def test_the_page_shows_what_the_views_hold(stack: Stack, opened: Open) -> None:
    """Per channel and queue who waits, who came, was answered and left, the service level; and the agents by group."""
    watched = await _opened(opened, stack)
    held = await _await_equal(watched.page, stack)
    assert {channel for channel, _ in held["rows"]} == {"call", "chat", "email"}
    assert len(held["rows"]) > 6
    assert len(held["agents"]) > 2
    assert any(figures[-1] not in {NONE, "100%"} for figures in held["rows"].values())
    assert (watched.complaints, watched.elsewhere) == ([], [])


@pytest.mark.long
async def test_an_event_changes_its_tile(stack: Stack, opened: Open) -> None:
    """A chat that comes is one more in its queue's row, in its channel's card, and in the views."""
    watched = await _opened(opened, stack)
    held = await _await_equal(watched.page, stack)
    queue = next(
        queue for channel, queue in sorted(held["rows"]) if channel == "chat" and queue not in {"", "unassigned"}
    )
    waiting, in_channel = (int(held["rows"]["chat", name][0]) for name in (queue, ""))
    await _come(stack, queue, 1)
    await expect(watched.row("chat", queue).locator(".cell.waiting b")).to_have_text(str(waiting + 1))
    await expect(watched.card("chat").locator(".waiting dd b")).to_have_text(str(in_channel + 1))
    await asyncio.to_thread(stack.pulssi, "drain", "--timeout", "120")
    await _await_equal(watched.page, stack)
    assert watched.complaints == []


@pytest.mark.long
async def test_an_alert_is_acknowledged_on_the_page(stack: Stack, opened: Open) -> None:
    """What the SLA engine fires appears by itself; who says on the page to look after it is in the view `alerts`."""
    watched = await _opened(opened, stack)
    alert = watched.page.locator(".alert.critical", has_text=PROMISED)
    await expect(alert).to_have_count(0)
    await _come(stack, PROMISED, 1)
    await expect(alert).to_have_count(1)
    alert_id = await alert.get_attribute("data-alert")
    ask = f"SELECT state, policy, dimensions['queue'], acknowledged_by FROM alerts WHERE alert_id = '{alert_id}'"  # noqa: S608 - our own id
    fires = ("firing", "kept waiting", PROMISED)
    await _until(lambda: [tuple(row)[:3] for row in stack.rows(ask)] == [fires], "the view has no such alert")
    await alert.get_by_role("button").click()
    await watched.page.get_by_label("Name", exact=True).fill("Aino")
    await watched.page.keyboard.press("Enter")
    await expect(alert.locator(".alert-owner")).to_contain_text("Aino since")
    await _until(lambda: [tuple(row)[3] for row in stack.rows(ask)] == ["Aino"], "the view does not say who")
    assert watched.complaints == []


@pytest.mark.long
async def test_the_broker_is_killed_and_comes_back(stack: Stack, opened: Open) -> None:
    """The page calls its figures old meanwhile, and then shows what came after that, too."""
    watched = await _opened(opened, stack)
    page = watched.page
    await page.evaluate(
        """() => {
            window.states = [];
            new MutationObserver(() => window.states.push([document.body.dataset.state,
                getComputedStyle(document.querySelector("main")).filter]))
                .observe(document.body, { attributes: true, attributeFilter: ["data-state"] });
        }"""
    )
    await asyncio.to_thread(kill, stack, "broker")
    await expect(page.locator("body")).to_have_attribute("data-state", "live", timeout=EQUAL_WITHIN_S * 1_000)
    states = await page.evaluate("window.states")
    assert states[0][0] == "stale"
    assert "grayscale" in states[0][1]
    await asyncio.to_thread(stack.replay, _made(seed=22, events=EVENTS // 5), "--speed", "max")
    await _await_equal(page, stack)
    assert watched.complaints == []


@pytest.mark.long
async def test_an_hour_of_a_day_leaves_nothing_in_the_page(stack: Stack, opened: Open) -> None:
    """An open page is fed an hour of a simulated day in two minutes: neither heap nor nodes grow with what passed."""
    hour_s, speed = 3_600, 30
    watched = await _opened(opened, stack)
    warm_up = _made(seed=23, ago=timedelta(seconds=EVENTS / RATE / 2 + 300), events=EVENTS // 2)
    await asyncio.to_thread(stack.replay, warm_up, "--speed", "60")
    await _await_equal(watched.page, stack)
    heap, nodes = await weight(watched.page)
    ago = timedelta(seconds=hour_s - hour_s / speed)  # so that its end is sent when it happens
    end = datetime.now(UTC) - ago + timedelta(seconds=hour_s)
    many = _made(seed=24, ago=ago, events=int(4 * hour_s * RATE))
    day = [event for event in many if datetime.fromisoformat(event["occurred_at"]) < end]
    assert len(day) < len(many), "this is less than an hour"
    await asyncio.to_thread(stack.replay, day, "--speed", str(speed))
    await _await_equal(watched.page, stack)
    heap_after, nodes_after = await weight(watched.page)
    print(f"heap {heap:,} -> {heap_after:,} bytes, nodes {nodes:,} -> {nodes_after:,}")  # noqa: T201 - for `pytest -s`
    assert nodes_after <= nodes * 1.2 + 500, (nodes, nodes_after)
    assert heap_after <= heap * 1.2 + 800_000, (heap, heap_after)
    assert watched.complaints == []
