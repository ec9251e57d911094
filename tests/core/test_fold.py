"""The fold: the samples of stories, and the contact at a glance."""

from __future__ import annotations

from typing import Final

import pytest

from schemas.calendars import Calendar, Hours, Span
from schemas.policies import Policy, Rules
from tests.cases.told import CENTRE
from tests.core.story import Case, cases, check, told
from tests.oracle.centre import Centre

TABLES: Final = ("clock", "fold", "glance", "neighbours", "responses", "returns", "segments", "tags")
#: Closed for eight minutes from the second minute of every story on.
_BREAK: Final = Calendar("c", (Hours("UTC", ((Span(0, 15 * 60 + 9), Span(15 * 60 + 17, 1440)),) * 7),))
_STOPS: Final = Policy("stop", "resolution", 60_000, 0.8, warning_ms=30_000, pauses="stop")


def policies(*told: str) -> Centre:
    """Write a file of policies, each by its name, metric, target and whatever else it says."""
    texts = ("".join(f"{word}\n" for word in one.split(", ")) for one in told)
    return Centre({"policies": "".join(f"[[policy]]\n{text}" for text in texts) or "policy = []"})


RULES: Final[dict[str, Rules | Centre]] = {
    "cases": CENTRE,
    "next-10s": policies('name = "next-10s", metric = "next_response", target = "10s", channel = "chat"'),
    "no-policies": policies(),
    "a-urgent-5s": policies(
        'name = "other", metric = "first_response", target = "1s", queue = "b"',
        'name = "urgent-5s", metric = "first_response", target = "5s", queue = "a", priority = "urgent"',
        'name = "all", metric = "first_response", target = "1m"',
    ),
    "patience-10s": Centre({"centre": 'patience = {chat = "10s", email = "10s", call = "10s"}\nshort_abandon = "2s"'}),
    "short-horizons": Rules(horizons_ms={"chat": 7_000, "email": 1, "call": 2}),
    "every-metric": Rules(
        (
            Policy("vip", "first_response", 30_000, 0.9, segment="vip"),
            Policy("first", "first_response", 60_000, 0.8, warning_ms=20_000),
            Policy("next", "next_response", 120_000, 0.8, warning_ms=120_000),
            Policy("visit", "queue_wait", 30_000, 0.8, queue="v", warning_ms=20_000),
            Policy("done", "resolution", 600_000, 0.8, warning_ms=540_000, calendar=_BREAK, clock="calendar"),
        )
    ),
    # A minute of work is to settle it, half of it is a warning.
    "stops": Rules((_STOPS,)),
    "stops-and-closes": Rules((_STOPS._replace(calendar=_BREAK, clock="calendar"),)),
    "taxonomy": Centre(
        {"taxonomy": '[[tag]]\nname = "Billing "\naliases = ["INVOICE", "bill"]\n[[tag]]\nname = "Refund"'}
    ),
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{name}: {case.says}") for name in TABLES for case in cases(name, RULES)]
)
def test_stories(case: Case) -> None:
    """Exactly the samples that a story tells come of it."""
    check(case)


def test_slots_are_unique() -> None:
    """Sample and slot are a row's key within its contact."""
    story = """
        0 started queue=a
        1 bot
        2 handed_off
        3 queued queue=a
        4 missed agent_id=ann
        9 connected agent_id=ben
        10 agent agent_id=ben
        12 customer
        14 customer
        20 agent agent_id=ben
        25 transferred agent_id=ben queue=b
        30 connected agent_id=ann
        31 tagged tags=x,y
        35 resolved
        40 customer
        50 agent agent_id=ann
        60 resolved
        70 rated score=5 scale_max=5
        80 evaluated score=5 scale_max=5
        """
    keys = [(row.sample, row.slot) for row in told("chat", story).rows]
    assert len(keys) == len(set(keys))
