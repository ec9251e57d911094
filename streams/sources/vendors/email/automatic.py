"""Tells mail that a program sent from a person's: auto-replies, bounces, receipts, lists (RFC 3834, 5436, 3464, 8098).

X-Auto-Response-Suppress only asks not to be answered, and persons' mail carries it too ([MS-OXCMAIL] 2.1.3.2.20): it
proves nothing, so it is not looked at.
"""

from collections.abc import Set as AbstractSet
from typing import Final, Literal, NamedTuple

from streams.sources.vendors.email.header import MailHeader

_PRECEDENCES: Final = frozenset({"auto_reply", "bulk", "junk", "list"})
_LIST_FIELDS: Final = ("list-id", "list-unsubscribe")
_ANSWERERS: Final = ("x-autoreply", "x-autorespond", "x-autoresponder")
_REPORTS: Final = {"delivery-status": "a bounce", "disposition-notification": "a read receipt"}


class Sending(NamedTuple):
    """Who sent a mail, a person or a program, and how that is known."""

    by: Literal["person", "program", "report", "list"]
    #: Such as "Auto-Submitted: auto-replied"; empty for a person.
    why: str = ""


def sending_of(header: MailHeader, mailboxes: AbstractSet[str]) -> Sending:
    """Tell who sent a mail. Lists that carry one of our own mailboxes to its agents are no lists here."""
    report = _report_of(header)
    if report:
        return Sending("report", report)
    submitted = header.word("auto-submitted")
    if submitted and submitted != "no":
        return Sending("program", "Auto-Submitted")
    for name in _ANSWERERS:
        if header.first(name) and header.word(name) not in {"no", "false"}:
            return Sending("program", name)
    ours = _is_our_list(header, mailboxes)
    listed = next((name for name in _LIST_FIELDS if header.first(name)), "")
    if listed and not ours:
        return Sending("list", listed)
    precedence = header.word("precedence")
    if precedence in _PRECEDENCES and not (ours and precedence in {"bulk", "list"}):
        return Sending("program", "Precedence")
    if header.first("return-path").replace(" ", "") == "<>":
        return Sending("program", "Return-Path: <>")
    return Sending("person")


def _report_of(header: MailHeader) -> str:
    """Say which report of a mail server or program it is; empty where it is none."""
    content = header.first("content-type").casefold()
    if content.partition(";")[0].strip() == "multipart/report":
        return next((meaning for name, meaning in _REPORTS.items() if name in content), "a report of a mail server")
    return "a bounce" if header.first("x-failed-recipients") else ""


def _is_our_list(header: MailHeader, mailboxes: AbstractSet[str]) -> bool:
    """Tell whether the list is one of our mailboxes: groups of Google and others put List-Id on all their mail."""
    posted = " ".join(header.all("list-post")).casefold()
    named = header.first("list-id").rpartition("<")[2].partition(">")[0].casefold()
    return any(f"mailto:{each}>" in posted or each.replace("@", ".") == named for each in mailboxes)
