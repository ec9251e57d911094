"""Signs a delivery as Standard Webhooks says, again at each attempt: receivers refuse signatures that are minutes old.

The id is the same at all attempts, so that a receiver recognises a repetition. While keys rotate, each of them signs.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from pydantic import SecretStr
from standardwebhooks import Webhook

from schemas.alerts import Alert
from schemas.policies import normal_tag

_ID_LENGTH: Final = 32


def webhook_id(alert: Alert, destination: str) -> str:
    """Return the id of the delivery of one change of an alert to one destination; it is the same at each attempt.

    A pending alert has no id yet, and sequences begin again once an alert is forgotten. So the time at which it became
    pending is part of the id.
    """
    return _hashed("alert", alert.key, alert.id or str(alert.pending_since), str(alert.sequence), destination)


def tag_webhook_id(contact_id: str, tag: str, destination: str) -> str:
    """Return the id of the delivery of a contact's tag: the same however often it is put on, so it is sent once."""
    return _hashed("tag", contact_id, normal_tag(tag), destination)


def _hashed(*parts: str) -> str:
    # With lengths, so that no two lists of parts read alike. Hexadecimal: the id must have no dot.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:_ID_LENGTH]


def signature_headers(keys: Sequence[SecretStr], delivery_id: str, at_ms: int, body: bytes) -> dict[str, str]:
    """Give the headers of an attempt at that time, in UTC milliseconds; `body` are the very bytes that are sent."""
    # The library ignores the zone of a time and takes it for UTC.
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    text = body.decode()
    signatures = [Webhook(key.get_secret_value()).sign(delivery_id, at, text) for key in keys]
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(at_ms // 1000),
        "webhook-signature": " ".join(signatures),
    }
