"""The states of a delivery: when it is due, whether somebody asked for an attempt, and its record after one. Pure."""

import logging
from typing import Final

from schemas.alerts import ATTEMPTS_AT_MOST, AttemptOutcome, DeliveryAttempt, DeliveryRecord
from streams.times import now_ms

_LOG: Final = logging.getLogger(__name__)


def due_at(record: DeliveryRecord, now: int) -> int | None:
    """Return when a delivery is due; None: now. It is also due if the clock was set back since its last attempt."""
    was_set_back = bool(record.attempts) and now < record.attempts[-1].at
    return None if was_set_back or record.next_at <= now else record.next_at


def is_asked_for(record: DeliveryRecord, asked_at: int) -> bool:
    """Tell whether the attempt that somebody asked for is still to be made: commands are read again at each start."""
    tried_at = record.attempts[-1].at if record.attempts else 0
    return asked_at > max(tried_at, record.retried_at or 0)


def asked_for_again(record: DeliveryRecord, asked_at: int) -> DeliveryRecord:
    """Return a given-up delivery as one that waits again, with its next attempt due now."""
    return record.model_copy(update={"status": "waiting", "tried": 0, "next_at": now_ms(), "retried_at": asked_at})


def order_of(record: DeliveryRecord) -> tuple[int, int]:
    """Return the sort key of deliveries of one queue."""
    return record.at, record.sequence


def given_up(record: DeliveryRecord, why: str, outcome: AttemptOutcome = "not_sent") -> DeliveryRecord:
    """Return a delivery as given up, and log that. Its body stays: somebody may ask for another attempt."""
    _LOG.warning("delivery %s to %r is given up: %s", record.webhook_id, record.destination, why)
    return after_attempt(record, outcome, why, now_ms(), status="given_up", tried=record.tried + 1)


def after_attempt(
    record: DeliveryRecord, outcome: AttemptOutcome, why: str, at: int, **changed: object
) -> DeliveryRecord:
    """Return a delivery's record after an attempt."""
    attempts = [*record.attempts, DeliveryAttempt(at=at, outcome=outcome, why=why)][-ATTEMPTS_AT_MOST:]
    return record.model_copy(update={"attempts": attempts, "attempted": record.attempted + 1, **changed})
