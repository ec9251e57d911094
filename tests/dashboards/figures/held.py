"""Which check holds the figures of which panel against the oracle. A check asks the panel's own question.

Panels are named by dashboard and title. The modules beside this one have the checks, one for each dashboard.
"""

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

from dashboards.grafana_definitions.catalogue import dashboards
from dashboards.grafana_definitions.site import Json
from tests.dashboards.grafana_days import SITE, Days
from tests.dashboards.grafana_macros import Range
from tests.dashboards.grafana_now import Now

#: Three days of the past; five weeks of the past; contacts of the last hours, and the parts' own metrics.
Scene = Literal["days", "weeks", "now"]
Answer = list[dict[str, Any]]

#: Every panel of every dashboard, by the defaults.
PANELS: Final[dict[str, Json]] = {
    f"{one['title']} / {panel['title']}": panel for one in dashboards(SITE) for panel in one["panels"]
}


class Asked:
    """A panel and what happened: its question as Grafana asks it; remembers whether anything was answered."""

    def __init__(self, title: str, scene: Days | Now) -> None:
        self.title = title
        self.scene = scene
        self.answers: list[Answer] = []
        self._sql: str = PANELS[title]["targets"][0]["rawSql"]

    def __call__(self, over: Range | None = None, **chosen: list[str]) -> Answer:
        """Ask it over a range, its own unless named, and with other choices than all."""
        rows = self.days.ask(self._sql, over, **chosen)
        self.answers.append(rows)
        return rows

    def values(self) -> dict[str, list[Any]]:
        """Give all values that each column of its answers had."""
        found: dict[str, list[Any]] = {}
        for row in (row for rows in self.answers for row in rows):
            for name, value in row.items():
                found.setdefault(name, []).append(value)
        return found

    @property
    def days(self) -> Days:
        """What happened."""
        return self.scene.days if isinstance(self.scene, Now) else self.scene

    @property
    def now(self) -> Now:
        """What happens at this moment, in the scene of that name."""
        assert isinstance(self.scene, Now)
        return self.scene


class Check(NamedTuple):
    """A check, and the scene that it needs."""

    scene: Scene
    check: Callable[[Asked], None]


CHECKS: Final[dict[str, Check]] = {}


def held(scene: Scene, *titles: str) -> Callable[[Callable[[Asked], None]], Callable[[Asked], None]]:
    """Name the panels whose figures a check holds."""

    def register(check: Callable[[Asked], None]) -> Callable[[Asked], None]:
        for title in titles:
            assert title not in CHECKS, title
            CHECKS[title] = Check(scene, check)
        return check

    return register
