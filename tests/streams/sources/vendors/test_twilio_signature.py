"""Twilio's signature, held against Twilio's own library: what it signs is right, and nothing else is."""

from hashlib import sha256
from typing import Final
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from twilio.request_validator import RequestValidator

from streams.sources.adapter import Payload
from streams.sources.vendors.twilio.signature import TwilioSignature

URL: Final = "https://hooks.example.com/hooks/twilio/acme"
TOKEN: Final = "0123456789abcdef"  # noqa: S105 - a made one
SECRETS: Final = (SecretStr("the-next-one"), SecretStr(TOKEN))
SIGNATURE: Final = TwilioSignature()


def payload(body: bytes, signature: str, url: str = URL, **headers: str) -> Payload:
    """Make a request as the gateway sees it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Payload(body, {"x-twilio-signature": signature, **named}, url=url)


class Values(dict[str, list[str]]):
    """A form as Twilio's library reads it from frameworks: several values a name."""

    def getlist(self, name: str) -> list[str]:
        """Return all values of a name."""
        return self[name]


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@given(st.dictionaries(names, st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=1, max_size=3)))
def test_forms(form: dict[str, list[str]]) -> None:
    """Any form is right with the library's signature, in any order and with values twice; one changed byte is not."""
    pairs = [(name, value) for name, values in form.items() for value in values]
    signed = RequestValidator(TOKEN).compute_signature(URL, Values(form))
    body = urlencode(pairs[::-1]).encode()
    assert SIGNATURE.fault(payload(body, signed), SECRETS, 0) is None
    assert SIGNATURE.fault(payload(body + b"&more=1", signed), SECRETS, 0) is not None
    assert SIGNATURE.fault(payload(body, signed), (SecretStr("another"),), 0) is not None


@pytest.mark.parametrize("algorithm", ["HMAC_SHA1", "HMAC_SHA256"])
def test_json(algorithm: str) -> None:
    """A JSON body is signed by its hash in the address; a changed body, or an address without a hash, is refused."""
    body = b'[{"specversion": "1.0"}]'
    url = f"{URL}?bodySHA256={sha256(body).hexdigest()}"
    validator = RequestValidator(TOKEN)
    signed = validator.compute_signature(url, {}, algorithm)
    settings = {"x_twilio_webhooks_signature_settings": f"key=webhooks_1,algorithm={algorithm}"}
    assert validator.validate(url, body.decode(), signed, algorithm)
    assert SIGNATURE.fault(payload(body, signed, url, **settings), SECRETS, 0) is None
    assert "bodySHA256" in str(SIGNATURE.fault(payload(body + b" ", signed, url, **settings), SECRETS, 0))
    bare = validator.compute_signature(URL, {}, algorithm)
    assert "bodySHA256" in str(SIGNATURE.fault(payload(body, bare, **settings), SECRETS, 0))


@pytest.mark.parametrize("signed_url", [URL, URL.replace(".com/", ".com:443/")])
@pytest.mark.parametrize("seen_url", [URL, URL.replace(".com/", ".com:443/")])
def test_ports(signed_url: str, seen_url: str) -> None:
    """Whether Twilio signs with the port or without it, and whether the gateway knows it or not: it is the same."""
    signed = RequestValidator(TOKEN).compute_signature(signed_url, {"a": "1"})
    assert SIGNATURE.fault(payload(b"a=1", signed, seen_url), SECRETS, 0) is None


def test_another_port() -> None:
    """An address with a port of its own fits with it and without it."""
    url = URL.replace(".com/", ".com:8443/")
    for signed_url in (url, URL):
        signed = RequestValidator(TOKEN).compute_signature(signed_url, {"a": "1"})
        assert SIGNATURE.fault(payload(b"a=1", signed, url), SECRETS, 0) is None


def test_behind_a_proxy() -> None:
    """The address that the proxy calls is not the one that was signed: the fault names `public_url`."""
    signed = RequestValidator(TOKEN).compute_signature(URL, {"a": "1"})
    inner = "http://10.0.0.7:8088/hooks/twilio/acme"
    assert "public_url" in str(SIGNATURE.fault(payload(b"a=1", signed, inner), SECRETS, 0))
    assert "public_url" in str(SIGNATURE.fault(payload(b"a=1", signed, ""), SECRETS, 0))
    assert SIGNATURE.fault(payload(b"a=1", signed, URL), SECRETS, 0) is None


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({}, "missing"),
        ({"x-twilio-signature": "\udcff"}, "does not fit"),
        ({"x-twilio-signature": "x", "x-twilio-webhooks-signature-settings": "algorithm=HMAC_MD5"}, "algorithm"),
    ],
)
def test_faulty_headers(headers: dict[str, str], word: str) -> None:
    """A missing, odd or unknown signature is told in words."""
    assert word in str(SIGNATURE.fault(Payload(b"a=1", headers, url=URL), SECRETS, 0))
    assert SIGNATURE.fault(Payload(b"a=1", headers, url="http://[::1"), SECRETS, 0) is not None
