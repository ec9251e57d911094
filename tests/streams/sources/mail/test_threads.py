"""Which contact a mail belongs to: the same in any order, however often it is read, and after a restart."""

import random
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from streams.sources.vendors.email.mails import Mail
from streams.sources.vendors.email.threads import Threads
from tests.streams.sources.mail.made_mail import (
    AGENT,
    BEGIN_S,
    CUSTOMER,
    MAILBOX,
    MadeMail,
    alive,
    events,
    facts,
    placed,
    samples,
    written,
)

TOPICS = ("Bill of March", "A new lamp", "Address")
AUTOMATIC = {"Auto-Submitted": "auto-replied"}


@st.composite
def conversations(draw: st.DrawFn) -> list[MadeMail]:
    """Draw mails as they are in mailboxes.

    Replies name all before them, only some, or only the one that they answer; old mail is used for new cases; agents
    change topics; numbers stand in subjects; some mails lie in two folders, and some were deleted.
    """
    mails: list[MadeMail] = []
    chain: list[tuple[list[int], str]] = []
    at_s = BEGIN_S
    for number in range(draw(st.integers(1, 9))):
        at_s += draw(st.integers(0, 5_000))
        before = draw(st.sampled_from([None, *range(number)])) if number else None
        who = draw(st.sampled_from(["customer", "customer", "agent", "agent", "note", "away", "acknowledgement"]))
        references, topic = ([], draw(st.sampled_from(TOPICS))) if before is None else chain[before]
        if before is not None and draw(st.integers(0, 5)) == 0:
            topic = draw(st.sampled_from(TOPICS))
        chain.append(([*references, number], topic))
        named = draw(st.sampled_from(["all", "all", "none", "last"]))
        told = {"all": references, "none": [], "last": references[-1:]}[named]
        answered = [] if before is None or (told and draw(st.booleans())) else [before]
        prefix = "" if before is None else draw(st.sampled_from(["Re: ", "VS: ", "[EXT] AW: "]))
        tag = draw(st.sampled_from(["", "", "", "[Ticket#7] "]))
        ours = who in {"agent", "note", "acknowledgement"}
        given_to = {"agent": "jane@customer.example", "note": "bob@acme.example"}.get(who, MAILBOX)
        home = "Ann Agent <ann@home.example>" if draw(st.integers(0, 3)) == 0 else AGENT
        mail = written(
            home if ours else CUSTOMER,
            to="jane@customer.example" if who == "acknowledgement" else given_to,
            subject=prefix + tag + topic,
            number=number,
            at_s=at_s,
            references=told,
            answers=answered,
            sent=ours,
            fields=AUTOMATIC if who in {"away", "acknowledgement"} else None,
        )
        if draw(st.integers(0, 7)):
            mails.append(mail)
        if draw(st.integers(0, 7)) == 0:
            later = at_s + draw(st.integers(0, 30))
            folder = "INBOX" if ours else "Done"
            mails.append(mail._replace(at_s=later, folder=folder, sent=False))
    return mails


def outcome(told: list[dict[str, Any]]) -> object:
    """Give what the numbers are made of."""
    return samples(told), alive(told)


def sent_first(order: list[Mail]) -> bool:
    """Tell whether of each agent's mail that another copy has as a customer's the sent copy is read first.

    The result depends on the order of these alone: nothing names such an agent (`threads` says so).
    """
    first = {each.id: each for each in reversed(order)}
    return all(first[each.id].sent or first[each.id].author == each.author for each in order)


@given(mails=conversations(), data=st.data())
def test_any_order(mails: list[MadeMail], data: st.DataObject) -> None:
    """Any order, with any mail read again, gives the contacts and samples of the order of time."""
    known = facts(mails)
    in_time = outcome(events(placed(sorted(known, key=lambda each: each.at))))
    again = data.draw(st.lists(st.sampled_from(known), max_size=4)) if known else []
    order = data.draw(st.permutations([*known, *again]))
    assume(sent_first(order))
    assert outcome(events(placed(order))) == in_time


@given(mails=conversations(), data=st.data())
def test_an_import_says_the_same(mails: list[MadeMail], data: st.DataObject) -> None:
    """What an import says, who knows all mails, is what following them comes to; and both together are too."""
    order = data.draw(st.permutations(facts(mails)))
    assume(sent_first(order))
    threads = Threads()
    followed = events(placed(order, threads))
    imported = events([said for _, each in threads.settled() for said in each])
    assert outcome(imported) == outcome(followed)
    assert outcome([*followed, *imported]) == outcome(followed)


@given(mails=conversations(), data=st.data())
def test_a_restart(mails: list[MadeMail], data: st.DataObject) -> None:
    """Who is started again reads what was said before in another order, says nothing of it, and goes on the same."""
    order: list[Mail] = data.draw(st.permutations(facts(mails)))
    cut = data.draw(st.integers(0, len(order)))
    again = data.draw(st.permutations(order[:cut]))
    assume(sent_first(order) and sent_first(again))
    said = placed(order[:cut])
    threads = Threads()
    placed(again, threads)
    said += placed(order[cut:], threads)
    assert outcome(events(said)) == outcome(events(placed(order)))


def contacts(*mails: MadeMail) -> int:
    """Count the contacts that have samples, the same in some orders."""
    known = facts(mails)
    counts = set()
    for seed in range(8):
        random.Random(seed).shuffle(known)  # noqa: S311 - no secret
        counts.add(len(samples(events(placed(known)))))
    assert len(counts) == 1
    return counts.pop()


def test_an_answer_that_names_only_the_last_mail() -> None:
    """A third mail with only In-Reply-To finds its thread by the second."""
    reply = written(AGENT, to=CUSTOMER, subject="Re: Bill of March", number=2, references=[1], answers=[1], sent=True)
    third = written(subject="Re: Bill of March", number=3, answers=[2], at_s=BEGIN_S + 60)
    assert contacts(written(), reply, third) == 1
    assert contacts(written(), third) == 2


def test_an_old_mail_for_a_new_case() -> None:
    """A customer's reply with another topic is a new contact that starts; an agent's stays in the thread."""
    new = written(subject="Re: A new lamp", number=2, references=[1], answers=[1], at_s=BEGIN_S + 60)
    assert contacts(written(), new) == 2
    ours = written(AGENT, to=CUSTOMER, subject="Re: Your bill", number=2, references=[1], answers=[1], sent=True)
    assert contacts(written(), ours) == 1
    told = [each for named in samples(events(placed(facts([written(), new])))).values() for each in named]
    assert sum(each.sample == "offered" for each in told) == 2


def test_our_number_ties_mails_that_name_nothing() -> None:
    """A mail with the number of a case in its subject is of that case, whatever its topic."""
    sent = {"Auto-Submitted": "auto-replied"}
    ack = written(
        MAILBOX,
        to=CUSTOMER,
        subject="[Ticket#7] Bill of March",
        number=2,
        references=[1],
        answers=[1],
        sent=True,
        fields=sent,
    )
    new = written(subject="Once more: Ticket#7", number=3, at_s=BEGIN_S + 60)
    assert contacts(written(), ack, new) == 1
    assert contacts(written(), new) == 2


def test_an_answer_to_what_was_not_seen_is_no_start() -> None:
    """An agent's answer to a mail that is not there is partial; the customer's next mail does not start it."""
    ours = written(AGENT, to=CUSTOMER, subject="Re: Bill of March", number=2, references=[1], answers=[1], sent=True)
    later = written(subject="Re: Bill of March", number=3, references=[1, 2], answers=[2], at_s=BEGIN_S + 60)
    answer = written(
        AGENT, to=CUSTOMER, subject="Re: Bill of March", number=4, references=[1, 2, 3], at_s=BEGIN_S + 90, sent=True
    )
    told = samples(events(placed(facts([later, answer, ours]))))
    (found,) = told.values()
    assert {each.sample for each in found} == {"next_response", "nudges"}
    assert all(each.partial for each in found)


def test_a_mail_in_two_folders_is_one() -> None:
    """The copy in the folder of sent mail says that it is ours, though its sender is no agent's domain."""
    from_outside = written("Ann <ann@home.example>", to=CUSTOMER, subject="Re: Bill of March", number=2, references=[1])
    copy = from_outside._replace(sent=True, at_s=BEGIN_S + 5)
    told = samples(events(placed(facts([written(), from_outside, copy]))))
    (found,) = told.values()
    assert [each.value_ms for each in found if each.sample == "first_response"] == [5_000]
    assert sum(each.sample == "entered" for each in found) == 1


def test_auto_replies_and_notes_make_no_contact() -> None:
    """An auto-reply or a note in a thread says nothing until a person's mail of the thread is read."""
    away = written(number=2, references=[1], fields=AUTOMATIC)
    note = written(AGENT, to=MAILBOX, number=3, references=[1])
    threads = Threads()
    assert placed(facts([away, note]), threads) == []
    said = placed(facts([written()]), threads)
    assert {each.mail.id for each in said if each.mail} == {each.id for each in facts([written(), away, note])}


def test_what_is_remembered_is_bounded() -> None:
    """Old mails are forgotten, with all that was kept for them; a thread still says itself where it belongs."""
    threads = Threads(remembered=50)
    known = facts(written(number=number, references=[number % 7], answers=[number - 1]) for number in range(1, 500))
    placed(known, threads)
    assert len(threads) == 50
    kept = sum(len(each) for each in threads.__dict__.values() if isinstance(each, dict))
    assert kept < 50 * 4
