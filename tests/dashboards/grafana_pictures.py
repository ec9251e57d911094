"""Takes a picture of each dashboard of a running Grafana: `python -m tests.dashboards.grafana_pictures URL [FOLDER]`.

Each is 1920 pixels wide and as high as its panels, once no panel waits for an answer. Grafana has to let anyone look,
such as by `GF_AUTH_ANONYMOUS_ENABLED=true`. They are for people to look at: no test compares them.
"""

import asyncio
import sys
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, async_playwright, expect

from dashboards.grafana_definitions.catalogue import dashboards
from dashboards.grafana_definitions.site import Json, Site
from tests.dashboards.pictures import FOLDER
from tests.fixtures.browser import CHROMIUM, FLAGS

WIDTH: Final = 1920
#: Of a step of Grafana's grid with its gap, and of what stands above the first panel, in pixels.
_STEP: Final = 38
_ABOVE: Final = 100
#: Above a panel that waits for an answer, by the names of several releases.
_WAITS: Final = "[aria-label='Panel loading bar'], [aria-label='Panel loading'], .panel-loading"
WITHIN_MS: Final = 120_000


async def take(browser: Browser, url: str, dashboard: Json, folder: Path) -> Path:
    """Take the picture of one dashboard."""
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    page = await browser.new_page(viewport={"width": WIDTH, "height": _ABOVE + _STEP * rows})
    await page.goto(f"{url}/d/{dashboard['uid']}?kiosk=tv&refresh=", wait_until="domcontentloaded")
    await expect(page.get_by_text(dashboard["panels"][-1]["title"].partition(" · ")[0]).first).to_be_visible(
        timeout=WITHIN_MS
    )
    await page.wait_for_load_state("networkidle", timeout=WITHIN_MS)
    await expect(page.locator(_WAITS)).to_have_count(0, timeout=WITHIN_MS)
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
