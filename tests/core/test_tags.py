"""Tags in effect at the end of the fold, and where they were put on."""

from __future__ import annotations

from typing import Final

import pytest

from schemas.policies import Rules
from schemas.tags import normal, taxonomy
from tests.core.story import Case, check, ids, told

_NAMES: Final = ("tagged", "any_tag", "untagged_resolved")

_RULES: Final = Rules(taxonomy=taxonomy(["Billing ", "Refund"], {"INVOICE": "Billing", "bill": "billing"}))

CASES: Final = (
    Case(
        "a tag counts where it was put on, whatever is in force later",
        "chat",
        "0 started queue=a\n5 tagged tags=billing\n9 customer queue=b\n20 resolved",
        "tagged at=5 tag=billing slot=billing queue=a\nany_tag at=5 queue=a slot=",
    ),
    Case(
        "put on again it stays where it was; any_tag is at the last tagging",
        "chat",
        "0 started\n5 tagged tags=billing\n9 tagged tags=billing,refund",
        "tagged at=5 tag=billing\ntagged at=9 tag=refund\nany_tag at=9",
    ),
    Case(
        "taken off it does not count",
        "chat",
        "0 started\n5 tagged tags=billing,refund\n9 untagged tags=billing",
        "tagged at=5 tag=refund\nany_tag at=5",
    ),
    Case(
        "taken off and put on again it counts at the later time",
        "chat",
        "0 started\n5 tagged tags=billing\n9 untagged tags=billing\n12 tagged tags=billing",
        "tagged at=12 tag=billing\nany_tag at=12",
    ),
    Case(
        "any_tag is at the last tagging though that tag is gone",
        "chat",
        "0 started\n5 tagged tags=billing\n9 tagged tags=refund\n12 untagged tags=refund",
        "tagged at=5 tag=billing\nany_tag at=9",
    ),
    Case(
        "a tag that was never on cannot be taken off",
        "chat",
        "0 started\n5 untagged tags=billing\n9 tagged tags=billing",
        "tagged at=9\nany_tag at=9",
    ),
    Case(
        "spellings of one tag are one",
        "chat",
        "0 started\n5 tagged tags=Billing\n9 tagged tags=BILLING\n12 untagged tags=\uff42illing",
        "",
    ),
    Case("no tag in effect at a resolution", "chat", "0 started\n20 resolved", "untagged_resolved at=20 slot="),
    Case(
        "at the last end, and though tags had been on before",
        "chat",
        """
        0 started
        5 tagged tags=billing
        20 resolved
        30 reopened
        40 untagged tags=billing
        50 resolved
        """,
        "untagged_resolved at=50",
    ),
    Case(
        "a tag put on after the resolution tags it",
        "chat",
        "0 started\n20 resolved\n30 tagged tags=billing",
        "tagged at=30\nany_tag at=30",
    ),
    Case(
        "without a taxonomy every tag is known",
        "chat",
        "0 started\n5 tagged tags=anything",
        "tagged at=5 tag=anything outcome=known\nany_tag at=5",
    ),
    Case(
        "an alias counts as the tag it stands for, however it is written, and once",
        "chat",
        "0 started\n5 tagged tags=Invoice\n9 tagged tags=billing,BILL",
        "tagged at=5 tag=billing outcome=known\nany_tag at=9",
        _RULES,
    ),
    Case(
        "and is taken off by any of its names",
        "chat",
        "0 started\n5 tagged tags=invoice\n9 untagged tags=Bill",
        "",
        _RULES,
    ),
    Case(
        "a tag outside the taxonomy counts and is marked",
        "chat",
        "0 started\n5 tagged tags=Oddity,Billing",
        "tagged at=5 tag=oddity outcome=unknown\ntagged at=5 tag=billing outcome=known\nany_tag at=5",
        _RULES,
    ),
    Case(
        "a whole set replaces what there was; what it names stays where it was put on",
        "chat",
        "0 started\n5 tagged tags=billing,refund\n9 tagged tags=refund,other replace=true",
        "tagged at=5 tag=refund\ntagged at=9 tag=other\nany_tag at=9",
    ),
    Case(
        "also the empty set",
        "chat",
        "0 started\n5 tagged tags=billing\n9 tagged tags=none replace=true\n12 tagged tags= replace=true\n20 resolved",
        "untagged_resolved at=20",
    ),
    Case(
        "an alias names the tag it stands for",
        "chat",
        "0 started\n5 tagged tags=billing,refund\n9 tagged tags=Invoice replace=true",
        "tagged at=5 tag=billing\nany_tag at=9",
        _RULES,
    ),
    Case("never resolved, never tagged", "chat", "0 started", ""),
)


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_tags(case: Case) -> None:
    """A tag counts once, where it was put on, if it is there at the end."""
    check(case, *_NAMES)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("  Billing ", "billing"),
        ("BILLING", "billing"),
        ("ﬁrst line", "first line"),
        ("Straße", "strasse"),
        ("\uff21\uff11", "a1"),
        ("e\u0301te\u0301", "\u00e9t\u00e9"),
        ("Ⅳ", "iv"),
    ],
)
def test_normal(written: str, read: str) -> None:
    """A tag is trimmed and folded: case and compatibility forms do not tell tags apart."""
    assert normal(written) == read
    assert normal(read) == read


def test_summary_has_the_tags_in_effect() -> None:
    """The table of contacts lists them in order."""
    assert told("chat", "0 started\n5 tagged tags=b,a,c\n9 untagged tags=c").summary["tags"] == ["a", "b"]
