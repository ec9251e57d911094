"""Dashboards by Grafana's own published types, generated from its schemas: no field that these do not know."""

import json
from collections.abc import Iterator
from typing import Final

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.grafana_definitions.catalogue import dashboards
from dashboards.grafana_definitions.site import Json, Site

#: Fields that Grafana's pages write and read, and these types leave out.
LEFT_OUT: Final = {".templating.list[].definition", ".panels[].maxPerRow"}


def _lost(ours: object, read: object, path: str = "") -> Iterator[str]:
    """Name what was not understood: what is missing, or is another, after it was read and written again."""
    if isinstance(ours, dict):
        for key, value in ours.items():
            if isinstance(read, dict) and key in read:
                yield from _lost(value, read[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    elif isinstance(ours, list) and isinstance(read, list) and len(ours) == len(read):
        for one, other in zip(ours, read, strict=True):
            yield from _lost(one, other, f"{path}[]")
    elif ours != read:
        yield f"{path}: {ours!r} became {read!r}"


def _read(one: Json) -> object:
    register_default_plugins()
    return json.loads(json.dumps(Dashboard.from_json(one), cls=JSONEncoder))


@pytest.mark.parametrize("one", dashboards(Site()), ids=lambda one: str(one["uid"]))
def test_grafanas_types_know_every_field(one: Json) -> None:
    """Read and written again nothing is lost."""
    assert set(_lost(one, _read(one))) <= LEFT_OUT


def test_a_field_that_grafana_does_not_know_is_found() -> None:
    """Of a panel, its options and the dashboard: else this would say nothing."""
    one = dashboards(Site())[0]
    one["panels"][1]["options"]["colourMode"] = "value"
    one["panels"][2]["gridPosition"] = {}
    one["refreshes"] = "5s"
    found = set(_lost(one, _read(one))) - LEFT_OUT
    assert found == {".panels[].options.colourMode", ".panels[].gridPosition", ".refreshes"}
