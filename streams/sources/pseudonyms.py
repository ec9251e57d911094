"""Pseudonyms of people: a keyed hash of an address or a vendor's id, so that a customer is known again, and not named.

Without the key nobody can find out whom a pseudonym stands for, not even by trying all telephone numbers.
"""

import unicodedata
from hashlib import blake2b
from typing import Final

from pydantic import SecretStr

from streams.sources.adapter import AccountRules

#: The fewest characters of a key.
KEY_CHARACTERS: Final = 32
_DIGEST_BYTES: Final = 16


def pseudonym(key: SecretStr, identity: str) -> str:
    """Return the pseudonym of an address, number or id; empty without a key or an identity. Case does not matter."""
    known = unicodedata.normalize("NFKC", identity).strip().casefold()
    if not known or not key.get_secret_value():
        return ""
    hashed = blake2b(
        known.encode("utf-8", "surrogatepass"),
        key=blake2b(key.get_secret_value().encode()).digest(),
        digest_size=_DIGEST_BYTES,
        person=b"pulssi-customer",
    )
    return f"p-{hashed.hexdigest()}"


def customer_pseudonym(account: AccountRules, number: str) -> str:
    """Return the pseudonym of a customer whom the vendor knows by a number: that of another system is another person.

    Empty without a key or a number.
    """
    return pseudonym(account.pseudonym_key, f"{account.source}:{account.account}:{number}" if number else "")
