"""Queue visits: each wait in a queue and how it ended, and transfers."""

from __future__ import annotations

from typing import Final

import pytest

from schemas.policies import Policy, Rules
from tests.core.story import Case, cases, check

RULES: Final = {"b-2s": Rules((Policy("b-2s", "queue_wait", 2_000, 0.8, queue="b"),))}


@pytest.mark.parametrize("case", cases("visits", RULES), ids=lambda case: case.says)
def test_visits(case: Case) -> None:
    """Exactly the samples that a story tells come of it."""
    check(case)
