"""Mail comes from anybody: whatever the bytes, it is read or refused, without another error, and in time."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.adapter import Payload, UnmappableError
from streams.sources.vendors.email.mails import Mail, Uncounted, read_mail
from tests.streams.sources.mail.made_mail import ACCOUNT

NAMES = (
    *("From", "To", "Cc", "Subject", "Message-ID", "References", "In-Reply-To", "Received", "Auto-Submitted"),
    *("Reply-To", "Content-Type", "List-Id", "List-Post", "Return-Path", "Precedence", "X-Original-From", "Sender"),
)
PIECES = st.sampled_from(
    [
        *("=?utf-8?q?", "?=", "=?", "=?x-unknown?b?", "=41", '"', "\\", "(", ")", "<", ">", "@", ",", ";", ":", "."),
        *("\t", "\r\n ", "\n\t", "jane@customer.example", "<a@b.example>", "[", "]", "Re:", "\x00", "é", "\udcff"),
        *("Mon, 2 Mar 2026 10:00:00 +0200", "+9999", "99999999999999999999", "multipart/report; report-type="),
    ]
)


def read(raw: bytes) -> Mail | Uncounted | None:
    """Read a mail; None where it is refused."""
    try:
        return read_mail(Payload(raw, {"internaldate": "2026-03-02T08:00:00Z"}), ACCOUNT)
    except UnmappableError:
        return None


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.lists(PIECES | st.text(max_size=8), max_size=12)), max_size=12))
def test_any_header(fields: list[tuple[str, list[str]]]) -> None:
    """Fields of any content are read, or the mail is refused."""
    text = "".join(f"{name}: {''.join(value)}\n" for name, value in fields)
    read(text.encode("utf-8", "surrogateescape" if "\udcff" in text else "strict") if _encodable(text) else b"x: y\n")


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


@given(st.binary(max_size=2_000))
def test_any_bytes_in_a_subject(subject: bytes) -> None:
    """A subject of any bytes gives one and the same mail again."""
    raw = b"From: jane@customer.example\nMessage-ID: <1@x.example>\nSubject: " + subject
    assert read(raw) == read(raw)


LONG = {
    "encoded words": b"Subject: " + b"=?utf-8?q?a?= " * 60_000,
    "an encoded word without an end": b"Subject: " + b"=?utf-8?b?" * 80_000,
    "comments in comments": b"From: " + b"(" * 200_000 + b" jane@customer.example",
    "quotes": b"From: " + b'"\\' * 100_000 + b" <jane@customer.example>",
    "brackets": b"References: " + b"<" * 200_000,
    "ids": b"References: " + b"<a@b.example> " * 20_000,
    "recipients": b"To: " + b"jane@customer.example, " * 12_000,
    "groups": b"To: " + b"a:b;," * 50_000,
    "addresses without an end": b"Cc: " + b"a@b@" * 60_000,
    "fields": b"X-A: 1\n" * 35_000,
    "one field again and again": b"Received: by x; Mon, 2 Mar 2026 10:00:00 +0200\n" * 5_000,
    "folds": b"Subject: a" + b"\n " * 120_000,
    "prefixes": b"Subject: " + b"Re:" * 80_000,
    "tags": b"Subject: " + b"[a]" * 80_000,
    "no field at all": b"x" * 10_000_000,
    "lines that are no fields": b"x\n" * 120_000,
}


@pytest.mark.parametrize("long", LONG.values(), ids=LONG.keys())
def test_long_headers_end(long: bytes) -> None:
    """A header that is made to be slow is read, or refused; a reader that hangs would fail this test."""
    raw = b"From: jane@customer.example\nMessage-ID: <1@x.example>\n" + long
    done: list[object] = []
    reader = threading.Thread(target=lambda: done.append(read(raw)), daemon=True)
    reader.start()
    reader.join(60)
    assert done
    assert done[0] is not None or long.startswith(b"From")
