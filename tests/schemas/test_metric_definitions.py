"""The metrics' names by Prometheus' conventions, and documents that name none that is not declared."""

import re
from itertools import pairwise

from deploy.contract_files import ROOT
from schemas.metric_definitions import ALL

_MENTIONED = re.compile(r"\bpulssi_(?:worker|sink|wallboard|alerts|hooks|follow|clickhouse)_[a-z_]*[a-z]")
#: What the library adds to a histogram's name.
_SERIES = ("_bucket", "_sum", "_count")


def test_names_follow_the_conventions() -> None:
    """Base units at the end, `_total` for counters alone, no name twice or taken by a series of another."""
    names = [metric.name for metric in ALL]
    assert len({name.removesuffix("_total") for name in names}) == len(names)
    for name, unit, meaning, labels, buckets in ALL:
        assert _MENTIONED.fullmatch(name), name
        assert not (name.endswith("_total") and buckets), name
        assert not name.endswith((*_SERIES, "_created", "_info", "_ms", "_milliseconds", "_minutes", "_kb")), name
        for base in ("seconds", "bytes"):
            assert name.removesuffix("_total").endswith(f"_{base}") == (unit == base), name
        assert unit, name
        assert meaning.endswith("."), name
        assert "|" not in meaning, name
        assert not {"le", "quantile"} & set(labels), name
        assert list(buckets) == sorted(set(buckets)), name


def test_the_99th_percentile_of_steps_can_be_read() -> None:
    """From 0.1 to 2 s no bucket is wider than half its lower bound, so that an estimate is off by no more."""
    for metric in ALL:
        if metric.kind == "histogram" and metric.unit == "seconds":
            bounds = [bound for bound in metric.buckets if 0.1 <= bound <= 2]
            assert (bounds[0], bounds[-1]) == (0.1, 2)
            assert all(high <= 1.5 * low for low, high in pairwise(bounds)), metric.name


def test_documents_name_what_is_declared() -> None:
    """A renamed metric is renamed everywhere."""
    declared = {metric.name for metric in ALL} | {metric.name + series for metric in ALL for series in _SERIES}
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("dashboards/grafana/**/*.*")]
    old = {"CHANGELOG.md": {"pulssi_worker_events_total", "pulssi_worker_parked"}}
    mentioned = {page.name: set(_MENTIONED.findall(page.read_text("utf-8"))) for page in pages}
    assert {name: rest for name, found in mentioned.items() if (rest := found - declared - old.get(name, set()))} == {}
    assert "pulssi_worker_refused" in mentioned["failures.md"]
