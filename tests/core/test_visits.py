"""Queue visits: each wait in a queue and how it ended, and transfers."""

from __future__ import annotations

from typing import Final

import pytest

from tests.core.story import Case, cases, check
from tests.oracle.centre import Centre

POLICY: Final = '[[policy]]\nname = "b-2s"\nmetric = "queue_wait"\ntarget = "2s"\nqueue = "b"'
RULES: Final = {"b-2s": Centre({"policies": POLICY})}


@pytest.mark.parametrize("case", cases("visits", RULES), ids=lambda case: case.says)
def test_visits(case: Case) -> None:
    """Exactly the samples that a story tells come of it."""
    check(case)
