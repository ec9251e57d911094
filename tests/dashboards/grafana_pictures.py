"""Takes a picture of each dashboard of a running Grafana: `python -m tests.dashboards.grafana_pictures URL [FOLDER]`.

Each is 1920 pixels wide and as high as its panels, once all its questions are answered. Grafana has to let anyone look,
such as by `GF_AUTH_ANONYMOUS_ENABLED=true`. They are for people to look at: no test compares them.
"""

import asyncio
import sys
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Page, Request, async_playwright

from dashboards.grafana_definitions.catalogue import dashboards
from dashboards.grafana_definitions.site import Json, Site
from tests.dashboards.pictures import FOLDER
from tests.fixtures.browser import CHROMIUM, FLAGS
from tests.until import until

WIDTH: Final = 1920
#: Of a step of Grafana's grid with its gap, and of what stands above the first panel, in pixels.
_STEP: Final = 38
_ABOVE: Final = 100
#: To draw what has come.
_DRAWING_MS: Final = 1_500
WITHIN_S: Final = 240.0


class Questions:
    """The questions of a page to the data source: how many were answered, and which are not yet."""

    def __init__(self, page: Page) -> None:
        self.answered = 0
        self.asked: set[Request] = set()
        page.on("request", lambda request: self.asked.add(request) if _asks(request) else None)
        page.on("requestfinished", self._end)
        page.on("requestfailed", self._end)

    def _end(self, request: Request) -> None:
        if request in self.asked:
            self.asked.remove(request)
            self.answered += 1


def _asks(request: Request) -> bool:
    return "/api/ds/query" in request.url


async def take(browser: Browser, url: str, dashboard: Json, folder: Path) -> Path:
    """Take the picture of one dashboard."""
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    page = await browser.new_page(viewport={"width": WIDTH, "height": _ABOVE + _STEP * rows})
    questions = Questions(page)
    await page.goto(f"{url}/d/{dashboard['uid']}?kiosk=tv&refresh=", wait_until="domcontentloaded")
    panels = sum("targets" in panel for panel in dashboard["panels"])
    await until(lambda: questions.answered >= panels and not questions.asked, WITHIN_S)
    await page.wait_for_timeout(_DRAWING_MS)
    picture = folder / f"grafana-{dashboard['uid'].removeprefix('pulssi-')}.png"
    await page.screenshot(path=picture)
    await page.close()
    return picture


async def main(url: str, folder: Path) -> None:
    """Take all pictures."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for dashboard in dashboards(Site()):
            picture = await take(browser, url.rstrip("/"), dashboard, folder)
            sys.stdout.write(f"{picture.name}\n")
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else FOLDER))
