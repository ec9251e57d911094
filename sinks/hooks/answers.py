"""What a destination answers, by HTTP or SMTP, or the reason why there is no answer."""

from typing import Final, Literal, NamedTuple

#: Why there was no answer.
Failure = Literal[
    "address_refused",
    "no_connection",
    "certificate",
    "timeout",
    "broken_off",
    "no_encryption",
    "not_smtp",
    "pulssi_error",
]

#: The text of each, for people.
FAILURES: Final[dict[Failure, str]] = {
    "address_refused": "its address is not public, and allow_private in hooks.toml does not have it",
    "no_connection": "no connection: there is no such host, or nobody listens",
    "certificate": "TLS failed: its certificate is not trusted or is another host's, or it speaks no TLS",
    "timeout": "no answer in time",
    "broken_off": "the connection broke off",
    "no_encryption": "it does not offer STARTTLS",
    "not_smtp": "it does not answer as a mail server does: another port may be meant",
    "pulssi_error": "an error in Pulssi itself: the log of the deliverer names its place",
}


class Answer(NamedTuple):
    """What a destination answered."""

    #: Of HTTP or SMTP.
    status: int
    text: str = ""
    #: The header `Retry-After` as it came.
    retry_after: str | None = None


class NoAnswerError(Exception):
    """There was no answer."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(FAILURES[failure])
        self.failure = failure
