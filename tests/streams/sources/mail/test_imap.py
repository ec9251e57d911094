"""Following a real IMAP server: what comes, what it changes there, and what becomes of lost connections."""

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr

from streams.sources.following import email
from streams.sources.following.follower import FollowError
from streams.sources.mailboxes import imap
from streams.sources.mailboxes.folders import FolderName
from streams.sources.mailboxes.imap import ImapMailbox, ImapServer
from tests.fixtures.tls import Certificate
from tests.streams.sources.mail.dovecot import PASSWORD, USER, Dovecot, dovecot, program, running, server_folder
from tests.streams.sources.mail.followed import LONG_AGO, Followed, account
from tests.streams.sources.mail.made_mail import AGENT, BEGIN_S, CUSTOMER, MadeMail, samples, written

__all__ = ["dovecot"]


@pytest.fixture(autouse=True)
def _trusted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the server's certificate trusted, as that of an authority would be."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.chain))


def answer(number: object, at_s: int, **more: Any) -> MadeMail:  # noqa: ANN401 - of `written`
    """Write the agent's answer to the first mail."""
    told = {"references": [1], "answers": [1]} | more
    return written(AGENT, to=CUSTOMER, subject="Re: Bill of March", number=number, at_s=at_s, sent=True, **told)


def values(told: list[dict[str, Any]], sample: str) -> list[int | None]:
    """Return the values of samples of a name."""
    return [each.value_ms for found in samples(told).values() for each in found if each.sample == sample]


async def test_mails_come_and_nothing_is_changed(dovecot: Dovecot) -> None:
    """A mail and its answer in the folder of sent mail come by IDLE; no mail is marked as read."""
    async with Followed(account(url_imap=dovecot.url), LONG_AGO) as followed:
        dovecot.put(written())
        await followed.events_once(1)
        dovecot.put(answer(2, BEGIN_S + 600))
        told = await followed.events_once(2)
    assert values(told, "first_response") == [600_000]
    for folder in ("INBOX", "Sent"):
        with dovecot.client(folder) as client:
            assert [client.get_flags([each])[each] for each in client.search()] in ([()], [(b"\\Recent",)])
    log = (dovecot.root / "dovecot.log").read_text()
    assert "Error" not in log


async def test_nothing_of_the_past_is_sent_at_first(dovecot: Dovecot) -> None:
    """The first start begins with what comes; a mail that is moved later is not told, though its answer is."""
    dovecot.put(written())
    async with Followed(account(url_imap=dovecot.url, folders=["INBOX", "Done"])) as followed:
        with dovecot.client() as client:
            client.move([1], "Done")
        later_s = int(followed.position["begun"]) // 1000 + 900
        dovecot.put(answer(2, later_s))
        told = await followed.events_once(1)
    assert [each["type"] for each in told] == ["message.sent"]
    assert followed.position["folders"]["incoming:Done"]["uid"] in {0, 1}


async def test_it_goes_on_where_it_was(dovecot: Dovecot) -> None:
    """After a restart what came meanwhile is read, in the contacts that were known before; nothing else."""
    kept = account(url_imap=dovecot.starttls_url)
    async with Followed(kept, LONG_AGO) as followed:
        dovecot.put(written(), answer(2, BEGIN_S + 60))
        before = await followed.events_once(2)
        position = followed.position
    dovecot.put(written(subject="Re: Bill of March", number=3, answers=[2], at_s=BEGIN_S + 120))
    async with Followed(kept, position) as followed:
        told = await followed.events_once(1)
    assert {each["contact_id"] for each in told} == {each["contact_id"] for each in before}
    assert sum(each["type"] == "message.sent" for each in told) == 1
    async with Followed(kept, followed.position) as followed:
        dovecot.put(answer(4, BEGIN_S + 180, references=[1, 2, 3], answers=[3]))
        again = await followed.events_once(1)
    assert [each["type"] for each in again] == ["message.sent"]


async def test_a_move_and_a_new_numbering_tell_nothing_new(dovecot: Dovecot) -> None:
    """A moved mail gets a new number, and so do all mails of a recreated folder: each mail counts once."""
    kept = account(url_imap=dovecot.url, folders=["INBOX", "Done"])
    async with Followed(kept, LONG_AGO) as followed:
        dovecot.put(written(), written(number=5, subject="Address"))
        await followed.events_once(2)
        with dovecot.client() as client:
            client.move([1], "Done")
        await followed.until(lambda: followed.position["folders"]["incoming:Done"]["uid"] == 1)
        told = await followed.events_once(2)
        position = followed.position
    assert sum(each["type"] == "message.sent" for each in told) == 2
    with dovecot.client() as client:
        client.delete_folder("Done")
        client.create_folder("Done")
    dovecot.put(written(folder="Done"), written(number=6, subject="Re: Address", references=[5], folder="Done"))
    async with Followed(kept, position) as followed:
        more = await followed.events_once(1)
        await followed.until(lambda: followed.position["folders"]["incoming:Done"]["uid"] == 2)
    assert followed.position["folders"]["incoming:Done"] != position["folders"]["incoming:Done"]
    assert samples([*told, *more, *followed.events()]) == samples([*told, *more])
    assert sum(each.sample == "offered" for found in samples([*told, *more]).values() for each in found) == 2


async def test_a_connection_can_be_ended_during_a_call(dovecot: Dovecot) -> None:
    """Ending does not wait for the answer that a call waits for."""
    opened = await ImapMailbox(ImapServer(dovecot.url, USER, SecretStr(PASSWORD)), (), ()).open(FolderName("INBOX"))
    await asyncio.to_thread(opened._idle)  # noqa: SLF001 - from here on the server sends nothing
    reading = asyncio.create_task(asyncio.to_thread(opened._client._imap.file.readline))  # noqa: SLF001 - a call that waits
    async with asyncio.timeout(20):
        await asyncio.sleep(0.05)
        await opened.close()
        await asyncio.gather(reading, return_exceptions=True)


async def test_many_mails_come_in_pages(dovecot: Dovecot) -> None:
    """Each of many mails comes once; the position moves with each page."""
    mails = [written(number=number, subject=f"Case {number}", at_s=BEGIN_S + number) for number in range(450)]
    dovecot.put(*mails)
    kept = {"begun": 0, "folders": {"incoming:INBOX": {"uid_validity": -1, "uid": 7}}}
    async with Followed(account(url_imap=dovecot.url), kept) as followed:
        told = await followed.events_once(450)
    assert sum(each["type"] == "message.sent" for each in told) == 450
    marks = [page.position["folders"]["incoming:INBOX"]["uid"] for page in followed.pages]
    assert marks == [7, 200, 400, 450]


async def test_a_server_without_idle_is_asked(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server has no IDLE, mails come all the same."""
    program()
    monkeypatch.setattr(imap, "POLL_S", 0.05)
    with server_folder() as root:
        async with (
            running(root, certificate, "imap_capability = IMAP4rev1 UIDPLUS MOVE NAMESPACE") as server,
            Followed(account(url_imap=server.url), LONG_AGO) as followed,
        ):
            server.put(written())
            assert await followed.events_once(1)


async def test_a_server_that_went_away(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the server was away, what came then is read, once."""
    program()
    monkeypatch.setattr(email, "BACK_OFF_S", 0.5)
    monkeypatch.setattr(email, "AGAIN_S", 0.05)
    with server_folder() as root:
        async with running(root, certificate) as server:
            ports = server.tls_port, server.plain_port
            followed = Followed(account(url_imap=server.url), LONG_AGO)
            await followed.__aenter__()
            server.put(written())
            await followed.events_once(1)
        async with running(root, certificate, ports=ports) as server:
            server.put(answer(2, BEGIN_S + 60))
            told = await followed.events_once(2)
            await followed.__aexit__(None, None, None)
    assert sum(each["type"] == "message.sent" for each in told) == 2
    assert values(told, "first_response") == [60_000]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"password": "wrong"}, "refuses `user` and its password"),
        ({"folders": ["Bills"]}, "no folder Bills; it has Done, INBOX, Sent: set `folders`"),
        ({"sent_folders": ["Away"]}, "no folder Away"),
    ],
)
async def test_what_a_person_must_mend(dovecot: Dovecot, changed: dict[str, Any], said: str) -> None:
    """Following ends with what is wrong, and no password."""
    with pytest.raises(FollowError, match=said) as ended:
        async with Followed(account(url_imap=dovecot.url, **changed)):
            pass
    assert "wrong" not in str(ended.value)


async def test_no_password_goes_out_without_tls(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without STARTTLS, or with another's certificate, gets no password."""
    program()
    with server_folder() as root:
        async with running(root, certificate, "ssl = no\ndisable_plaintext_auth = no") as server:
            with pytest.raises(FollowError, match="offers no STARTTLS"):
                async with Followed(account(url_imap=server.starttls_url)):
                    pass
    with server_folder() as root:
        async with running(root, certificate) as server:
            monkeypatch.delenv("SSL_CERT_FILE")
            with pytest.raises(FollowError, match="certificate is not valid"):
                async with Followed(account(url_imap=server.url)):
                    pass
        assert "Login" not in (root / "dovecot.log").read_text()
