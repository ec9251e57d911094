"""Open stretches: resolutions, reopenings, pauses, replies up to the end, and what a bot contained."""

from __future__ import annotations

import pytest

from tests.core.story import Case, cases, check


@pytest.mark.parametrize("case", cases("stretches", {}), ids=lambda case: case.says)
def test_stretches(case: Case) -> None:
    """Exactly the samples that a story tells come of it."""
    check(case)
