"""A mail that cannot be mapped is a dead letter that names nobody."""

import pytest
from pydantic import SecretStr

from streams.sources.adapter import Payload, UnmappableError
from streams.sources.checked_events import map_payload
from streams.sources.registry import adapter_of
from streams.sources.vendor_dead_letters import record_of, vendor_letter
from tests.streams.sources.mail.made_mail import ACCOUNT, CUSTOMER, written


def test_a_letter_has_nothing_of_the_mail() -> None:
    """The letter says why, and where the mail lies; its bytes stay in the mailbox."""
    raw = written(CUSTOMER).raw.replace(b"Received:", b"X-Received:")
    with pytest.raises(UnmappableError) as refused:
        map_payload(adapter_of("email"), "mail", Payload(raw), ACCOUNT)
    letter = record_of(vendor_letter(adapter_of("email"), "acme", "mail", Payload(raw), refused.value, "INBOX 17"))
    assert letter.value == b"(taken out)"
    assert dict(letter.headers)["pulssi-reason"].startswith(b"internaldate: is missing")
    assert dict(letter.headers)["pulssi-where"] == b"INBOX 17"


def test_without_a_key_nothing_is_read() -> None:
    """Hashes without a key could be guessed, so there are none."""
    with pytest.raises(UnmappableError, match="set `pseudonym_env`"):
        map_payload(adapter_of("email"), "mail", Payload(written().raw), ACCOUNT._replace(pseudonym_key=SecretStr("")))
