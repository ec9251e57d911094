"""E-mail goes to a real SMTP server with STARTTLS or TLS, whose address is judged as that of HTTP."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any, Final

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from sinks.hooks.answers import Answer, Failure, NoAnswerError
from sinks.hooks.outbound import send_mail
from tests.fixtures.tls import Certificate
from tests.sinks.hooks.made import destination

LOOPBACK: Final = "127.0.0.0/8"


class Mailbox:
    """Takes e-mails, but none for refused recipients; answers the end of each as it is told."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.encrypted: list[bool] = []
        self.signed_in: list[str] = []
        self.answer = "250 taken"
        self.refused: dict[str, str] = {}

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: object, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient or not."""
        del server, session, options
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: ANN401, N802 - aiosmtpd's
        """Note an e-mail."""
        del server
        assert isinstance(envelope.content, bytes)
        self.got.append(envelope.content)
        self.encrypted.append(session.ssl is not None)
        return self.answer

    def sign_in(self, server: object, session: object, envelope: object, mechanism: str, told: Any) -> AuthResult:  # noqa: ANN401 - as above
        """Take whoever knows the password."""
        del server, session, envelope, mechanism
        self.signed_in.append(told.login.decode())
        return AuthResult(success=told.password == b"correct horse", handled=False)


@pytest.fixture
def mailbox() -> Mailbox:
    """Make a mailbox."""
    return Mailbox()


def _context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    return context


@pytest.fixture
async def starttls_port(mailbox: Mailbox, certificate: Certificate) -> AsyncIterator[int]:
    """Serve SMTP with STARTTLS, and with sign-in behind it."""
    context = _context(certificate)
    async with _served(
        lambda: SMTP(
            mailbox,
            tls_context=context,
            require_starttls=True,
            authenticator=mailbox.sign_in,
            auth_required=True,
        )
    ) as port:
        yield port


@pytest.fixture
async def plain_port(mailbox: Mailbox) -> AsyncIterator[int]:
    """Serve SMTP without TLS."""
    async with _served(lambda: SMTP(mailbox)) as port:
        yield port


@asynccontextmanager
async def _served(factory: Callable[[], SMTP]) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
def trusting(certificate: Certificate) -> ssl.SSLContext:
    """Trust the tests' certificate."""
    return ssl.create_default_context(cafile=certificate.chain)


def _message() -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "pulssi@example.com", "one@example.com, two@example.com", "é"
    message.set_content("Näin käy 🙂")
    return message.as_bytes()


async def _sent(url: str, port: int, tls: ssl.SSLContext, password: str = "", **given: Any) -> Answer:  # noqa: ANN401
    secrets = (password,) if password else ()
    made = destination(url, ("localhost", port, LOOPBACK), kind="email", secrets=secrets, **given)
    return await send_mail(made, _message(), tls=tls)


async def _failure(url: str, port: int, tls: ssl.SSLContext, word: str = "", **given: Any) -> Failure:  # noqa: ANN401
    with pytest.raises(NoAnswerError) as raised:
        await _sent(url, port, tls, word, **given)
    assert "127.0.0.1" not in f"{raised.value} {raised.value.__cause__}"
    return raised.value.failure


async def test_by_starttls_with_a_password(mailbox: Mailbox, starttls_port: int, trusting: ssl.SSLContext) -> None:
    """The password goes over TLS, the certificate is checked for the name though the socket is our own."""
    url = f"smtp://pulssi@localhost:{starttls_port}"
    assert (await _sent(url, starttls_port, trusting, "correct horse", plain=False)).status == 250
    assert (mailbox.encrypted, mailbox.signed_in) == ([True], ["pulssi"])


async def test_a_wrong_password_is_an_answer(starttls_port: int, trusting: ssl.SSLContext, mailbox: Mailbox) -> None:
    """Which is for good; the password is not in it."""
    answer = await _sent(f"smtp://pulssi@localhost:{starttls_port}", starttls_port, trusting, "wrong", plain=False)
    assert (answer.status, mailbox.got) == (535, [])
    assert "wrong" not in answer.text


async def test_an_untrusted_certificate_ends_it(starttls_port: int, mailbox: Mailbox) -> None:
    """Before the password is sent."""
    url = f"smtp://pulssi@localhost:{starttls_port}"
    assert await _failure(url, starttls_port, ssl.create_default_context(), "x") == "certificate"
    assert mailbox.signed_in == []


async def test_starttls_is_insisted_on(mailbox: Mailbox, plain_port: int, trusting: ssl.SSLContext) -> None:
    """A server that does not offer it, or somebody between who takes the offer away, gets no e-mail."""
    assert await _failure(f"smtp://localhost:{plain_port}", plain_port, trusting, plain=False) == "no_encryption"
    assert mailbox.got == []
    assert (await _sent(f"smtp://localhost:{plain_port}", plain_port, trusting, plain=True)).status == 250
    assert mailbox.encrypted == [False]


async def test_by_tls_from_the_start(
    mailbox: Mailbox,
    plain_port: int,
    certificate: Certificate,
    trusting: ssl.SSLContext,
    tls_gate: Callable[[str, int], Any],
) -> None:
    """`smtps`: TLS before the first word."""
    del certificate
    gate = tls_gate("127.0.0.1", plain_port)
    assert (await _sent(f"smtps://localhost:{gate.port}", gate.port, trusting, plain=False)).status == 250
    assert len(mailbox.got) == 1
    assert gate.sent.startswith(b"EHLO")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"])
async def test_a_private_address_is_refused(mailbox: Mailbox, plain_port: int, host: str) -> None:
    """In any form, as over HTTP."""
    made = destination(f"smtp://{host}:{plain_port}", ("mail.lan", plain_port, LOOPBACK), kind="email", secrets=())
    with pytest.raises(NoAnswerError) as raised:
        await send_mail(made, _message())
    assert (raised.value.failure, mailbox.got) == ("address_refused", [])


@pytest.mark.parametrize(("answer", "status"), [("451 later", 451), ("554 spam", 554)])
async def test_a_refused_message_is_an_answer(
    mailbox: Mailbox, plain_port: int, trusting: ssl.SSLContext, answer: str, status: int
) -> None:
    """With the server's own number."""
    mailbox.answer = answer
    assert (await _sent(f"smtp://localhost:{plain_port}", plain_port, trusting)).status == status


async def test_refused_recipients(mailbox: Mailbox, plain_port: int, trusting: ssl.SSLContext) -> None:
    """One of two is told, and not a failure: a repetition would reach the other again. All for now: try again."""
    url = f"smtp://localhost:{plain_port}"
    mailbox.refused = {"two@example.com": "550 nobody"}
    assert await _sent(url, plain_port, trusting) == Answer(250, "1 of 2 recipients were refused")
    mailbox.refused["one@example.com"] = "450 later"
    assert (await _sent(url, plain_port, trusting)).status == 450


async def test_nobody_listens(plain_port: int, trusting: ssl.SSLContext) -> None:
    """Neither there, nor under a name that does not exist."""
    closed = plain_port + 1 if plain_port < 65_535 else plain_port - 1
    assert await _failure(f"smtp://localhost:{closed}", closed, trusting) == "no_connection"
    assert await _failure("smtp://nobody.invalid:25", 25, trusting) == "no_connection"


#: What a server says at each turn of its own, and who signs in.
_TALKS: Final[dict[str, tuple[str, list[bytes]]]] = {
    "a web server": ("", [b"HTTP/1.1 400 Bad Request\r\n\r\n"]),
    "too long a line": ("", [b"220 " + b"x" * 100_000 + b"\r\n"]),
    "another greeting": ("", [b"250 hello\r\n"]),
    "a goodbye": ("", [b"221 bye\r\n"]),
    "a password that is asked for again": (
        "pulssi:a-word@",
        [b"220 hello\r\n", b"250-me\r\n250 AUTH LOGIN\r\n", b"334 a\r\n", b"334 b\r\n"],
    ),
    "a challenge that is none": (
        "pulssi:a-word@",
        [b"220 hello\r\n", b"250-me\r\n250 AUTH CRAM-MD5\r\n", b"334 !!!a\r\n"],
    ),
    "no message wanted": ("", [b"220 hello\r\n", b"250 me\r\n", *[b"250 ok\r\n"] * 4]),
    "no recipient taken": ("", [b"220 hello\r\n", b"250 me\r\n", b"250 ok\r\n", *[b"354 go\r\n"] * 2]),
}


@asynccontextmanager
async def _talking(said: list[bytes]) -> AsyncIterator[int]:
    """Serve what says one thing after each line that it gets, and then hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for each in said:
            writer.write(each)
            await reader.readline()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.mark.parametrize("talk", _TALKS)
async def test_what_is_no_end_of_an_e_mail_is_no_delivery(talk: str, trusting: ssl.SSLContext) -> None:
    """An e-mail is delivered once the server took it, not because it said something with a low number."""
    user, said = _TALKS[talk]
    async with _talking(said) as port:
        assert await _failure(f"smtp://{user}localhost:{port}", port, trusting) == "not_smtp"


async def test_who_hangs_up_broke_off(trusting: ssl.SSLContext) -> None:
    """Somebody listened."""
    async with _talking([b"220 hello\r\n"]) as port:
        assert await _failure(f"smtp://localhost:{port}", port, trusting) == "broken_off"


@pytest.mark.parametrize("host", ["mail..example.com", f"{'a' * 64}.example.com"])
async def test_a_name_that_can_be_none_is_no_connection(host: str, trusting: ssl.SSLContext) -> None:
    """Resolving it raises another error than that of a name which is not there."""
    assert await _failure(f"smtp://{host}:587", 587, trusting) == "no_connection"
