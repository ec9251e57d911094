"""The fold: the samples of stories, and the contact at a glance."""

from typing import Final

import pytest

from schemas.calendars import Calendar, Hours, Span
from schemas.events import MODELS
from schemas.policies import Policy, Rules, Taxonomy
from streams.core.fold import _HANDLERS
from tests.cases.told import CENTRE
from tests.core.story import BEGIN, Case, cases, check
from tests.oracle.centre import Centre

TABLES: Final = (
    *("business_time", "clock", "fold", "glance", "neighbours", "responses", "returns", "segments", "stretches"),
    *("tags", "visits"),
)


def _daily(name: str, *spans: tuple[int, int]) -> Calendar:
    return Calendar(name, (Hours("UTC", (tuple(Span(*span) for span in spans),) * 7),))


#: The minute of the day at which stories begin.
_ZERO: Final = 15 * 60 + 7
#: Closed for eight minutes from the second minute of every story on.
_BREAK: Final = _daily("c", (0, _ZERO + 2), (_ZERO + 10, 1440))
_STOPS: Final = Policy("stop", "resolution", 60_000, 0.8, warning_ms=30_000, pauses="stop")
#: Closed from second 60 to 120, and from 600 on.
_HOURS: Final = _daily("centre", (0, _ZERO + 1), (_ZERO + 2, _ZERO + 10))
_LATE: Final = {"late": _daily("late", (_ZERO + 1, _ZERO + 60))}


def _first(**fields: object) -> Rules:
    policy = Policy("p", "first_response", 60_000, 0.8)._replace(**fields)  # type: ignore[arg-type]  # a test's own
    return Rules(calendar=_HOURS, queue_calendars=_LATE, policies=(policy,))


def policies(*told: str) -> Centre:
    """Write a file of policies, each by its name, metric, target and whatever else it says."""
    texts = ("".join(f"{word}\n" for word in one.split(", ")) for one in told)
    return Centre({"policies": "".join(f"[[policy]]\n{text}" for text in texts) or "policy = []"})


RULES: Final[dict[str, Rules | Centre]] = {
    "cases": CENTRE,
    "next-10s": policies('name = "next-10s", metric = "next_response", target = "10s", channel = "chat"'),
    "no-policies": policies(),
    "b-2s": policies('name = "b-2s", metric = "queue_wait", target = "2s", queue = "b"'),
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
    "hours": Rules(calendar=_HOURS, queue_calendars=_LATE, policies=()),
    "always": _first(calendar=_daily("always", (0, 1440))),
    "clock": _first(),
    "business": _first(clock="calendar"),
    "business-centre": _first(clock="calendar", calendar=_HOURS),
    "business-never": _first(clock="calendar", calendar=_daily("never")),
    "dated": Rules(
        policies_from=((BEGIN + 100_000, (Policy("strict", "first_response", 10_000, 0.8),)), (BEGIN + 200_000, ()))
    ),
    "renamed": Rules(
        taxonomy=Taxonomy(frozenset({"money"}), {"refund": "money"}),
        taxonomy_from=((BEGIN + 10_000, Taxonomy(frozenset({"cash"}), {"refund": "cash"})),),
    ),
    # A minute of work is to settle it, half of it is a warning.
    "stops": Rules((_STOPS,)),
    "stops-and-closes": Rules((_STOPS._replace(calendar=_BREAK, clock="calendar"),)),
    "taxonomy": Centre(
        {"taxonomy": '[[tag]]\nname = "Billing "\naliases = ["INVOICE", "bill"]\n[[tag]]\nname = "Refund"'}
    ),
}


#: Types that speak to no rule: they change what is in force, or are looked for before the fold begins.
BEYOND_RULES: Final = {"contact.prioritised", "contact.discarded", "event.voided", "agent.status"}


def test_every_type_speaks_to_a_rule() -> None:
    """A type without a handler would change no number, and nobody would be told."""
    assert _HANDLERS.keys() == MODELS.keys() - BEYOND_RULES


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{name}: {case.says}") for name in TABLES for case in cases(name, RULES)]
)
def test_stories(case: Case) -> None:
    """Exactly the samples that a story tells come of it."""
    check(case)
