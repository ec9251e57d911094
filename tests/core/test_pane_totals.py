"""Panes: what rows come to, minute by minute, and that taking back undoes putting in."""

from typing import Any, Final

from schemas.journal import decode_pane, decode_pane_key, decode_tag_pane, decode_tag_pane_key
from schemas.panes import Pane, PaneKey, TagPane, TagPaneKey
from schemas.samples import Sample
from streams.core.histogram import bucket
from streams.core.pane_totals import PaneTotals
from tests.core.story import BEGIN, told

EMPTY: Final = Pane()


def written(panes: PaneTotals) -> tuple[dict[PaneKey, Pane], dict[TagPaneKey, TagPane]]:
    """Read back what changed, as its journal's reader would."""
    records = list(panes.records(1))
    return (
        {decode_pane_key(key): decode_pane(value) for key, value in records if key[:1] == b"p"},
        {decode_tag_pane_key(key): decode_tag_pane(value) for key, value in records if key[:1] == b"t"},
    )


def _row(sample: str = "first_response", at: int = BEGIN, **fields: Any) -> Sample:  # noqa: ANN401 - a Sample's fields
    return Sample(sample, "", at, "a", "normal", "", "", "", "", **fields)


def test_a_pane_counts_what_its_rows_say() -> None:
    """Counters, sums and histograms of one minute."""
    panes = PaneTotals()
    panes.add(
        3,
        [
            _row(value_ms=1_000, target_ms=5_000, within=True, satisfied=True, business_ms=900),
            _row(at=BEGIN + 59_999, value_ms=9_000, target_ms=5_000, within=False, short=True, value=7),
            _row(value_ms=0, business_ms=0),
            _row(at=BEGIN + 60_000, value_ms=4),
        ],
        1,
    )
    found, _ = written(panes)
    assert found[PaneKey(3, BEGIN, "a", "normal", "", "", "first_response")] == Pane(
        n=3,
        n_target=2,
        n_within=1,
        n_short=1,
        n_satisfied=1,
        sum_ms=10_000,
        business_n=2,
        business_sum_ms=900,
        sum_value=7,
        hist={bucket(1_000): 1, bucket(9_000): 1, 0: 1},
        business_hist={bucket(900): 1, 0: 1},
    )
    assert found[PaneKey(3, BEGIN + 60_000, "a", "normal", "", "", "first_response")].n == 1


def test_short_and_within_count_only_against_a_target() -> None:
    """What is held against none is in no service level, whatever else it says."""
    panes = PaneTotals()
    panes.add(1, [_row("abandoned", value_ms=100, short=True)], 1)
    (pane,) = written(panes)[0].values()
    assert (pane.n, pane.n_target, pane.n_within, pane.n_short) == (1, 0, 0, 0)


def test_tag_panes() -> None:
    """Each tag counts in the minute and queue where it was put on."""
    panes = PaneTotals()
    panes.add(1, told("chat", "0 started queue=a\n5 tagged tags=x,y\n65 tagged tags=z").samples, 1)
    _, tags = written(panes)
    assert {(key.start - BEGIN, key.queue, key.tag): pane.n for key, pane in tags.items()} == {
        (0, "a", "x"): 1,
        (0, "a", "y"): 1,
        (60_000, "a", "z"): 1,
    }


def test_only_what_changed_is_written_again() -> None:
    """A step writes the panes that it touched, whole, and no others."""
    panes = PaneTotals()
    panes.add(1, [_row(value_ms=1), _row("slow")], 1)
    assert len(written(panes)[0]) == 2
    panes.add(1, [_row(value_ms=5)], 1)
    (pane,) = written(panes)[0].values()
    assert (pane.n, pane.sum_ms) == (2, 6)
    assert written(panes) == ({}, {})


def test_loaded_panes_go_on_where_they_were() -> None:
    """What the journal held is added to, tags too."""
    first = PaneTotals()
    first.add(1, told("chat", "0 started\n5 tagged tags=x\n9 resolved").samples, 1)
    second = PaneTotals()
    for key, value in list(first.records(1)):
        second.load(key, value, 1)
    assert len(second) == len(first)
    second.add(1, told("chat", "0 started\n5 tagged tags=x\n9 resolved").samples, 1)
    found, tags = written(second)
    assert {pane.n for pane in found.values()} == {2}
    assert {pane.n for pane in tags.values()} == {2}
