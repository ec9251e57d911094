"""What strangers wrote is shown, and obeyed by no terminal and no log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.printable import LINES, printable
from streams.sources.adapter import UnmappableError


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Pekka Töölö", "Pekka Töölö"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\r\nERROR all is lost", "a\\r\\nERROR all is lost"),
        ("\u202etxt", "\\u202etxt"),
        ("\udc80", "\\udc80"),
    ],
)
def test_what_is_shown(text: str, wanted: str) -> None:
    """Letters stay; what moves a cursor, ends a line or turns the direction of writing is spelled out."""
    assert printable(text) == wanted


@given(st.text())
def test_any_text(text: str) -> None:
    """One line that can be printed; with line ends kept, as many lines as there were."""
    assert printable(text).isprintable()
    assert printable(text, LINES).count("\n") == text.count("\n")


def test_the_reason_of_a_refusal_is_one_line() -> None:
    """Whatever word of a payload an adapter repeats in it."""
    error = UnmappableError("kind.\n", "\x1b]0;x\x07 is no kind")
    assert str(error) == "kind.\\n: \\x1b]0;x\\x07 is no kind"
    assert error.field == "kind.\\n"
