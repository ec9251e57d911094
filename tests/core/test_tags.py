"""How tags are read."""

import pytest

from schemas.policies import normal_tag


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
def test_normal_tag(written: str, read: str) -> None:
    """A tag is trimmed and folded: case and compatibility forms do not tell tags apart."""
    assert normal_tag(written) == read
    assert normal_tag(read) == read
