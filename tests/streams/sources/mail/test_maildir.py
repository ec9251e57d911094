"""Following a Maildir: mails that are delivered, seen, moved and deleted while it is read."""

import asyncio
import mailbox
import os
from pathlib import Path

import pytest

from streams.sources.following.follower import FollowError
from streams.sources.mailboxes import maildir
from tests.streams.sources.mail.followed import LONG_AGO, Followed, account
from tests.streams.sources.mail.made_mail import AGENT, BEGIN_S, CUSTOMER, MadeMail, samples, written


class Delivery:
    """A Maildir as servers and mail programs use it: the standard library's."""

    def __init__(self, root: Path) -> None:
        self.path = root / "Maildir"
        self._inbox = mailbox.Maildir(self.path)
        self._folders = {"INBOX": self._inbox}
        for name in ("Sent", "Done"):
            self._folders[name] = self._inbox.add_folder(name)

    def put(self, *mails: MadeMail) -> list[str]:
        """Deliver mails; their names."""
        names = []
        for mail in mails:
            folder = self._folders[mail.folder]
            names.append(folder.add(mail.raw))
            within = self._place(mail.folder)
            (file,) = (each for each in (within / "new").iterdir() if each.name.startswith(names[-1]))
            os.utime(file, (mail.at_s, mail.at_s))
        return names

    def _place(self, folder: str) -> Path:
        return self.path if folder == "INBOX" else self.path / f".{folder}"

    def see(self, name: str) -> None:
        """Mark a mail as seen, as a mail program does: it goes from `new` to `cur` with a flag in its name."""
        (self.path / "new" / name).rename(self.path / "cur" / f"{name}:2,S")

    def flag(self, name: str, flags: str) -> None:
        """Change the flags of a mail that was seen."""
        (file,) = (self.path / "cur").glob(f"{name}*")
        file.rename(self.path / "cur" / f"{name}:2,{flags}")

    def move(self, name: str, folder: str) -> None:
        """Move a mail that was seen into another folder, under its own name."""
        (file,) = (self.path / "cur").glob(f"{name}*")
        file.rename(self._place(folder) / "cur" / file.name)


@pytest.fixture
def delivery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Delivery:
    """Make a Maildir that is looked at often."""
    monkeypatch.setattr(maildir, "LOOK_EVERY_S", 0.02)
    return Delivery(tmp_path)


def answer(number: int, at_s: int) -> MadeMail:
    """Write the agent's answer to the first mail."""
    subject = "Re: Bill of March"
    return written(
        AGENT, to=CUSTOMER, subject=subject, number=number, at_s=at_s, references=[1], answers=[1], sent=True
    )


async def test_mails_come_whatever_is_done_to_them(delivery: Delivery) -> None:
    """A mail counts once, though it is seen, flagged and moved; its answer lies in the folder of sent mail."""
    async with Followed(account(path=str(delivery.path), folders=["INBOX", "Done"]), LONG_AGO) as followed:
        (name,) = delivery.put(written())
        await followed.events_once(1)
        delivery.see(name)
        delivery.put(answer(2, BEGIN_S + 300))
        await followed.events_once(2)
        delivery.flag(name, "FRS")
        delivery.move(name, "Done")
        await followed.until(lambda: followed.position["folders"]["incoming:Done"]["changed_ns"])
        told = followed.events()
    assert sum(each["type"] == "message.sent" for each in told) == 2
    (found,) = samples(told).values()
    assert [each.value_ms for each in found if each.sample == "first_response"] == [300_000]
    assert sorted(each.name for each in (delivery.path / ".Done/cur").iterdir()) == [f"{name}:2,FRS"]


async def test_it_goes_on_where_it_was(delivery: Delivery) -> None:
    """After a restart nothing is lost, and what is read again shortly before gives the same events."""
    kept = account(path=str(delivery.path))
    async with Followed(kept, LONG_AGO) as followed:
        delivery.put(*(written(number=number, subject=f"Case {number}") for number in range(210)))
        told = await followed.events_once(210)
        position = followed.position
    delivery.put(written(number=500, subject="Re: Case 7", answers=[7], at_s=BEGIN_S + 60))
    async with Followed(kept, position) as followed:
        await followed.until(
            lambda: any(each["occurred_at"] == "2026-03-02T08:01:00.000Z" for each in followed.events())
        )
        more = followed.events()
    assert len(samples(told)) == 210
    assert samples([*told, *more]).keys() == samples(told).keys()
    assert {each["event_id"] for each in told} - {each["event_id"] for each in more} == set()


async def test_of_the_past_nothing_is_sent(delivery: Delivery) -> None:
    """At the first start what lies there already is only known, so that an answer to it finds its contact."""
    delivery.put(written())
    async with Followed(account(path=str(delivery.path))) as followed:
        began_s = int(followed.position["begun"]) // 1000
        delivery.put(answer(2, began_s + 700))
        told = await followed.events_once(1)
    assert [each["type"] for each in told] == ["message.sent"]


async def test_what_cannot_be_read_is_refused_and_names_nobody(delivery: Delivery) -> None:
    """A file that is no mail is a dead letter with its place; the next mail comes."""
    async with Followed(account(path=str(delivery.path)), LONG_AGO) as followed:
        (name,) = delivery.put(MadeMail(b"\nJane Doe wrote from jane@customer.example\n", BEGIN_S))
        delivery.put(written())
        await followed.events_once(1)
        await followed.until(lambda: followed.events() and followed.refused)
    assert followed.refused == [f"INBOX {name}: has no header of a mail"]
    assert not any(b"jane" in payload.body for page in followed.pages for payload in page.payloads)


async def test_what_cannot_be_read_is_refused_once(delivery: Delivery) -> None:
    """A restart reads the last minutes again; what is a dead letter already is none once more, and a new one is."""
    kept = account(path=str(delivery.path))
    async with Followed(kept, LONG_AGO) as followed:
        delivery.put(MadeMail(b"\nno mail\n", BEGIN_S))
        await followed.until(lambda: followed.events() or followed.refused)
        position = followed.position
    (second,) = delivery.put(MadeMail(b"\nno mail either\n", BEGIN_S))
    delivery.put(written())
    async with Followed(kept, position) as followed:
        await followed.events_once(1)
        await followed.until(lambda: followed.events() and followed.refused)
    assert followed.refused == [f"INBOX {second}: has no header of a mail"]


async def test_what_a_person_must_mend(delivery: Delivery) -> None:
    """A folder that is not there is named."""
    with pytest.raises(FollowError, match="no Maildir with a folder Bills"):
        async with Followed(account(path=str(delivery.path), folders=["Bills"])):
            pass
    with pytest.raises(FollowError, match="no Maildir with a folder INBOX"):
        async with Followed(account(path=str(delivery.path / "nowhere"))):
            pass


async def test_nothing_goes_on_behind_an_end(delivery: Delivery) -> None:
    """A change of sources.toml ends a follower and makes another."""
    before = asyncio.all_tasks()
    async with Followed(account(path=str(delivery.path))) as follower:
        await follower.until(lambda: len(asyncio.all_tasks() - before) > 2)  # it waits for mails of its folders
    assert asyncio.all_tasks() == before
