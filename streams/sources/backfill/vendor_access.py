"""How each vendor's API is signed in to, and how often it may be asked where its answers do not say so. Facts only.

Sources: the vendors' API references on authentication and rate limits, as of 2026; where a limit depends on the plan,
the lowest stands here, and `requests_per_minute` of the account raises it.
"""

import base64
from collections.abc import Mapping
from typing import Final, NamedTuple

from pydantic import SecretStr

from schemas.configuration.source_models import SourceName


class VendorAccess(NamedTuple):
    """How requests are signed in, and their rate."""

    #: The header, and its value: `{token}` and `{user}` are the account's.
    header: str = "Authorization"
    value: str = "Bearer {token}"
    #: Whether the value is user and password of HTTP Basic, with a colon between, to be encoded.
    basic: bool = False
    requests_per_minute: int = 60

    def headers(self, user: str, token: SecretStr) -> Mapping[str, str]:
        """Return the header that signs in; empty without a token."""
        secret = token.get_secret_value()
        if not secret:
            return {}
        value = self.value.format(user=user, token=secret)
        if self.basic:
            value = f"Basic {base64.b64encode(value.encode()).decode()}"
        return {self.header: value}


#: Zendesk takes an API token with the e-mail of an agent; Twilio's token is `SID:secret`, of an account or an API key.
ACCESS: Final[Mapping[SourceName, VendorAccess]] = {
    "chatwoot": VendorAccess("api_access_token", "{token}", requests_per_minute=600),
    "freshdesk": VendorAccess(value="{token}:X", basic=True, requests_per_minute=100),
    "giosg": VendorAccess(value="Token {token}", requests_per_minute=60),
    "intercom": VendorAccess(requests_per_minute=1000),
    "puzzel": VendorAccess(requests_per_minute=60),
    "twilio": VendorAccess(value="{token}", basic=True, requests_per_minute=60),
    "zammad": VendorAccess(value="Token token={token}", requests_per_minute=300),
    "zendesk": VendorAccess(value="{user}/token:{token}", basic=True, requests_per_minute=100),
}


def access_of(source: SourceName) -> VendorAccess:
    """Return how a source's API is asked; by a bearer's token where nothing else is known."""
    return ACCESS.get(source, VendorAccess())
