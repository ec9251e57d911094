"""A made day: the simulator's cases written as mails into a Maildir give the day's samples, imported or followed."""

import random
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from schemas.topics import CONTACTS
from streams.sources.adapter import AccountRules, Payload
from streams.sources.backfill.email import BACKFILL
from streams.sources.backfill.pages import Page, Period
from streams.sources.checked_events import map_payload
from streams.sources.pseudonyms import pseudonym
from streams.sources.registry import adapter_of
from streams.sources.simulator import Plan, simulate
from tests.streams.sources.mail.followed import Followed, NoApi, account
from tests.streams.sources.mail.made_mail import ACCOUNT, MadeMail, alive, facts, samples, written
from tests.streams.sources.mail.test_maildir import Delivery

#: Monday, 2 March 2026, 08:00 UTC; half a working day.
DAY: Final = Plan(1_772_438_400_000, rate=2.0, seed=5, lasts_ms=5 * 3_600_000)
#: What a mailbox tells as the centre itself does. Visits of queues differ, as nobody queues a mail again.
CARRIED: Final = ("offered", "first_response", "next_response", "nudges", "slow")


@cache
def cases() -> Mapping[str, list[dict[str, Any]]]:
    """Give the events of each case of the day that began in it, in whole seconds; without those that were no case."""
    found: dict[str, list[dict[str, Any]]] = {}
    for event in simulate(DAY):
        if event.topic == CONTACTS["email"]:
            told = orjson.loads(event.value)
            told["occurred_at"] = f"{told['occurred_at'][:19]}Z"
            found.setdefault(told["contact_id"], []).append(told)
    return {
        name: told
        for name, told in found.items()
        if any(each["type"] == "contact.started" for each in told)
        and not any(each["type"] == "contact.discarded" for each in told)
    }


@cache
def queues() -> dict[str, str]:
    """Give each queue an address."""
    names = {each["queue"] for told in cases().values() for each in told if "queue" in each}
    return {f"{name}@acme.example": name for name in sorted(names)}


@cache
def addresses() -> dict[str, str]:
    """Give each agent an address."""
    agents = {each["agent_id"] for told in cases().values() for each in told if "agent_id" in each}
    return {name: f"agent{number}@acme.example" for number, name in enumerate(sorted(agents))}


@cache
def rules() -> AccountRules:
    """Make the account's rules."""
    return ACCOUNT._replace(queues=queues(), mailboxes=frozenset(queues()))


@cache
def mails() -> tuple[list[MadeMail], dict[str, str]]:
    """Write the mails of all cases; with the contact that each case must become."""
    chance = random.Random(11)  # noqa: S311 - no secret
    made: list[MadeMail] = []
    named: dict[str, str] = {}
    for number, (name, told) in enumerate(cases().items()):
        chain: list[str] = []
        queue = next(each["queue"] for each in told if "queue" in each)
        first = len(made)
        for event in told:
            if event["type"] != "message.sent":
                continue
            made.append(_mail(event, f"{number}.{len(chain)}", chain, queue, chance))
            chain.append(f"{number}.{len(chain)}")
        named[name] = f"email:acme:{facts([made[first]], rules())[0].thread}"
    return made, named


def _mail(event: Mapping[str, Any], number: str, chain: list[str], queue: str, chance: random.Random) -> MadeMail:
    ours = event["author"] != "customer"
    mailbox, customer = f"{queue}@acme.example", f"customer{number.partition('.')[0]}@example.com"
    sender = addresses().get(event.get("agent_id", ""), mailbox) if ours else customer
    to = customer if ours and event.get("public", True) else "colleague@acme.example" if ours else mailbox
    # Some programs name the whole thread, some only what they answer.
    names_all = chance.random() < 0.8
    return written(
        sender,
        to=to,
        subject=f"{'Re: ' if chain else ''}Case {number.partition('.')[0]}",
        number=number,
        at_s=int(datetime.fromisoformat(event["occurred_at"]).timestamp()),
        references=chain if names_all else [],
        answers=chain[-1:],
        sent=ours,
        fields={"Auto-Submitted": "auto-replied"} if event.get("automatic") else None,
    )


def carried(told: list[dict[str, Any]], contacts: Mapping[str, str]) -> Counter[tuple[Any, ...]]:
    """Count the samples that a mailbox can carry, by contact, time, queue, agent and value."""
    agents = {
        each: ACCOUNT.agent_id(pseudonym(ACCOUNT.pseudonym_key, address)) for each, address in addresses().items()
    }
    return Counter(
        (
            *(contacts.get(contact, contact), each.sample, each.at, each.queue),
            *(agents.get(each.agent_id, each.agent_id), each.value_ms),
        )
        for contact, found in samples(told).items()
        for each in found
        if each.sample in CARRIED
    )


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    """Put all mails of the day into a Maildir."""
    made = Delivery(tmp_path_factory.mktemp("day"))
    made.put(*mails()[0])
    return made


def mapped(pages: list[Page]) -> list[dict[str, Any]]:
    """Map pages to events."""
    payloads = (payload for page in pages for payload in page.payloads)
    outcomes = (map_payload(adapter_of("email"), each.form, Payload(each.body), rules()) for each in payloads)
    return [orjson.loads(record.value) for outcome in outcomes for record in outcome.records]


@cache
def wanted() -> Counter[tuple[Any, ...]]:
    """Count the samples of the day as the centre itself tells them."""
    return carried([event for told in cases().values() for event in told], mails()[1])


async def test_an_import_of_the_day(delivery: Delivery) -> None:
    """An import gives the day's samples, and as many when it goes on from any page."""
    kept = account(rules(), path=str(delivery.path))
    pages = [page async for page in BACKFILL(kept, NoApi(), Period(None, None), None)]
    found = mapped(pages)
    assert carried(found, {}) == wanted()
    assert len(wanted()) > 150
    assert alive(found) == set(mails()[1].values())
    told = [each for each in pages if each.payloads]
    rest = [page async for page in BACKFILL(kept, NoApi(), Period(None, None), told[0].position)]
    assert [each for each in rest if each.payloads] == told[1:]
    half = Period(DAY.start_ms, DAY.start_ms + 7_200_000)
    early = mapped([page async for page in BACKFILL(kept, NoApi(), half, None)])
    assert {each["event_id"] for each in early} < {each["event_id"] for each in found}


async def test_following_the_day(delivery: Delivery) -> None:
    """A follower that reads all folders at once comes to the same samples; so do it and an import together."""
    kept = account(rules(), path=str(delivery.path))
    everything = {"begun": 0, "folders": {"incoming:INBOX": {}, "sent:Sent": {}}}
    async with Followed(kept, everything) as followed:
        ends = {"incoming:INBOX": _last(delivery.path / "new"), "sent:Sent": _last(delivery.path / ".Sent/new")}
        await followed.until(
            lambda: {name: mark.get("changed_ns") for name, mark in followed.position["folders"].items()} == ends
        )
        found = followed.events()
    assert carried(found, {}) == wanted()
    pages = [page async for page in BACKFILL(kept, NoApi(), Period(None, None), None)]
    assert carried([*found, *mapped(pages)], {}) == wanted()


def _last(place: Path) -> int:
    """Give the time of the last change of a file in a folder."""
    return max(each.stat().st_ctime_ns for each in place.iterdir())
