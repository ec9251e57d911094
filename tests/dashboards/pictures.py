"""Takes pictures of the wallboard's page: `make pictures`, or `python -m tests.dashboards.pictures FOLDER`.

Each board and language, on a wall, a desk and a phone, dark and light; and the states that are seldom seen. The scene
is drawn by a seed, so that the same page gives the same pictures but for its clock. They are for people to look at: no
test compares them.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

from playwright.async_api import Browser, async_playwright, expect

from streams.times import now_ms
from tests.dashboards.board_message import BOARDS, Message, many_queues, message
from tests.dashboards.page_site import Make, Site, serving
from tests.fixtures.browser import CHROMIUM, FLAGS

FOLDER: Final = Path(__file__).resolve().parent.parent.parent / "docs/pictures"
SIZES: Final = {"wall": (1920, 1080), "desk": (1280, 720), "phone": (390, 844)}
LANGUAGES: Final = ("en", "fi", "nb", "sv")


class Picture(NamedTuple):
    """What is taken, and how."""

    name: str
    path: str
    size: str = "wall"
    scheme: str = "dark"
    make: Make | None = None
    #: A key that is pressed first.
    key: str = ""


def _scene(window: str, board: str) -> Message:
    return message(now_ms(), window, board)


def _large(window: str, board: str) -> Message:
    return message(now_ms(), window, board, queues=many_queues(201))


def _stale(window: str, board: str) -> Message:
    made = message(now_ms() - 47_000, window, board)
    made["alerts"]["state"] = "stale"
    return {**made, "at": now_ms(), "state": "stale", "reason": "the Kafka broker does not answer"}


def _empty(window: str, board: str) -> Message:
    made = message(now_ms(), window, board)
    return {**made, "groups": made["groups"][:1], "agents": [], "alerts": {"state": "live", "total": 0, "listed": []}}


def _calm(window: str, board: str) -> Message:
    made = message(now_ms(), window, board)
    made["alerts"] = {"state": "live", "total": 0, "listed": []}
    return made


def pictures() -> list[Picture]:
    """List all of them."""
    listed = [
        Picture(
            f"{board['name']}-{language}-{size}-{scheme}", f"board/{board['name']}?lang={language}#60m", size, scheme
        )
        for board in BOARDS
        for language in LANGUAGES
        for size in SIZES
        for scheme in ("dark", "light")
    ]
    listed += [  # the ones that the documents show
        Picture("wallboard", "board/default?lang=en#60m"),
        Picture("wallboard-light", "board/default?lang=en#60m", scheme="light"),
        Picture("wallboard-phone", "board/default?lang=en#60m", "phone"),
    ]
    for size in SIZES:
        listed += [
            Picture(f"stale-{size}", "", size, "dark", _stale),
            Picture(f"empty-{size}", "", size, "light", _empty),
            Picture(f"settings-{size}", "", size, "light", None, "s"),
            Picture(f"calm-{size}", "#15m", size, "light", _calm),
        ]
    listed += [
        Picture("many-wall", "", "wall", "dark", _large),
        Picture("many-desk", "", "desk", "light", _large),
        Picture("far-1.5-wall", "?scale=1.5#60m", "wall", "dark"),
        Picture("far-2-wall", "?scale=2#60m", "wall", "dark"),
    ]
    return listed


async def take(browser: Browser, site: Site, picture: Picture, folder: Path) -> None:
    """Take one picture."""
    site.make = picture.make or _scene
    width, height = SIZES[picture.size]
    options: dict[str, Any] = {"color_scheme": picture.scheme, "reduced_motion": "reduce"}
    context = await browser.new_context(
        viewport={"width": width, "height": height}, timezone_id="Europe/Helsinki", **options
    )
    page = await context.new_page()
    await page.goto(f"{site.url}{picture.path}")
    await expect(page.locator("body")).not_to_have_attribute("data-state", "connecting")
    await expect(page.locator("#empty" if picture.make is _empty else ".row.queue").first).to_be_visible()
    if picture.make is _stale:
        await expect(page.locator("#notice")).to_be_visible()
    if picture.key:
        await page.keyboard.press(picture.key)
        await expect(page.locator("dialog[open]")).to_be_visible()
    await page.evaluate("document.fonts.ready")
    full = picture.size == "phone" and not picture.key
    await page.screenshot(path=folder / f"{picture.name}.png", full_page=full)
    await context.close()


async def main(folder: Path, only: str = "") -> None:
    """Take all pictures whose name contains `only`."""
    async with serving(_scene) as site, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for picture in pictures():
            if only in picture.name:
                await take(browser, site, picture, folder)
                sys.stdout.write(f"{picture.name}.png\n")
        await browser.close()


if __name__ == "__main__":
    there = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    there.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(there, *sys.argv[2:3]))
