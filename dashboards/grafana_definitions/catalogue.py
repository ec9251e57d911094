"""All dashboards, in the order in which they are listed."""

from __future__ import annotations

from dashboards.grafana_definitions.contact import contact
from dashboards.grafana_definitions.handle_time import handle_time
from dashboards.grafana_definitions.live_floor import live_floor
from dashboards.grafana_definitions.pipeline import pipeline
from dashboards.grafana_definitions.planning import planning
from dashboards.grafana_definitions.quality import quality
from dashboards.grafana_definitions.queues import queues
from dashboards.grafana_definitions.site import Json, Site
from dashboards.grafana_definitions.sla import sla
from dashboards.grafana_definitions.tags import tags
from dashboards.grafana_definitions.teams import teams


def dashboards(site: Site) -> list[Json]:
    """Describe every dashboard of an installation."""
    makers = (live_floor, sla, queues, tags, handle_time, planning, quality, teams, contact, pipeline)
    return [make(site) for make in makers]
