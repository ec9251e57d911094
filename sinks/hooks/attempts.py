"""What an answer means, when the next attempt is due, and when a destination is given up.

Pure: times are arguments. Waits grow as Standard Webhooks proposes: a delivery is tried for three days. Their jitter is
computed from the delivery's id, so it is the same after a restart.
"""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal, NamedTuple

from schemas.configuration.hook_models import DestinationType
from sinks.hooks.answers import Answer, Failure, NoAnswerError
from sinks.hooks.wording import printable

#: The wait before each attempt, in seconds; after the last one a delivery is given up.
WAITS_S: Final = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
#: A wait is longer by up to this share, so that deliveries of one outage do not come back at once.
_JITTER: Final = 0.1
#: What a receiver may ask for at most.
_RETRY_AFTER_AT_MOST_S: Final = 86_400
#: A destination is disabled after so long and so many failures without a success in between.
DISABLED_AFTER_MS: Final = 5 * 86_400_000
DISABLED_AFTER_FAILURES: Final = 10
#: How much of an answer is kept.
_TEXT_AT_MOST: Final = 200

_REQUEST_TIMEOUT, _GONE, _TOO_EARLY, _TOO_MANY = 408, 410, 425, 429
#: Answers by which a receiver asks for fewer requests.
_THROTTLING: Final = frozenset({_TOO_MANY, 502, 503, 504})

Outcome = Literal["delivered", "retry", "throttled", "permanent", "gone"]


class Verdict(NamedTuple):
    """The outcome of an attempt."""

    outcome: Outcome
    #: For people.
    why: str
    #: Only a person can correct it, so it is logged at once and not after days.
    needs_somebody: bool = False
    #: How long the receiver asks to be left alone.
    retry_after_s: float | None = None


class Health(NamedTuple):
    """The failures of a destination since its last success; times are UTC milliseconds."""

    #: Since when nothing has succeeded; None: the last attempt did.
    failing_since: int | None = None
    failures: int = 0
    disabled_at: int | None = None


def judge(kind: DestinationType, answer: Answer | NoAnswerError, at_ms: int) -> Verdict:
    """Give the meaning of an answer at that time."""
    if isinstance(answer, NoAnswerError):
        return _JUDGED_FAILURES.get(answer.failure, Verdict("retry", str(answer)))._replace(why=str(answer))
    if kind == "email":
        return _judge_mail(answer)
    if _is_delivered(kind, answer):
        # Teams has a flow post it later, and never reports whether it did.
        return Verdict("delivered", "accepted, not known to be posted" if kind == "teams" else "delivered")
    why = f"answered {answer.status}" + (f": {_beginning(answer.text)}" if answer.text.strip() else "")
    status = answer.status
    if status in _THROTTLING:
        return Verdict("throttled", why, retry_after_s=_retry_after(answer.retry_after, at_ms))
    if status == _GONE:
        return Verdict("gone", why, needs_somebody=True)
    if status in {_REQUEST_TIMEOUT, _TOO_EARLY} or status >= 500:  # noqa: PLR2004 - the server's own faults
        return Verdict("retry", why)
    # A company's own receiver may answer wrongly for an hour after a faulty deployment; a service's answer is final.
    return Verdict("retry" if kind == "webhook" else "permanent", why, needs_somebody=True)


_JUDGED_FAILURES: Final[dict[Failure, Verdict]] = {
    "address_refused": Verdict("permanent", "", needs_somebody=True),
    "no_encryption": Verdict("permanent", "", needs_somebody=True),
    "certificate": Verdict("retry", "", needs_somebody=True),
    "not_smtp": Verdict("retry", "", needs_somebody=True),
}


def _is_delivered(kind: DestinationType, answer: Answer) -> bool:
    if kind == "slack":
        return answer.status == 200 and answer.text.strip() == "ok"  # noqa: PLR2004 - its only good answer
    return 200 <= answer.status < 300  # noqa: PLR2004 - what HTTP calls success


def _judge_mail(answer: Answer) -> Verdict:
    """Judge SMTP's code: 2xx accepts, 4xx refuses for now, 5xx for good; no others come at the end of an e-mail."""
    why = f"answered {answer.status}: {_beginning(answer.text)}"
    if 200 <= answer.status < 300:  # noqa: PLR2004 - as above
        return Verdict("delivered", why)
    is_for_good = 500 <= answer.status < 600  # noqa: PLR2004 - as above
    return Verdict("permanent", why, needs_somebody=True) if is_for_good else Verdict("retry", why)


def _beginning(text: str) -> str:
    return printable(text)[:_TEXT_AT_MOST]


def _retry_after(value: str | None, at_ms: int) -> float | None:
    """Read `Retry-After`: seconds, or a date of HTTP; None where it is neither."""
    if value is None:
        return None
    text = value.strip()
    try:
        if text.isascii() and text.isdecimal():
            seconds = float(text[:9])
        else:
            until = parsedate_to_datetime(text)
            at = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
            seconds = (at - datetime.fromtimestamp(at_ms / 1000, UTC)).total_seconds()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _RETRY_AFTER_AT_MOST_S)


def next_attempt_ms(
    attempts: int, verdict: Verdict, delivery_id: str, at_ms: int, waits_s: Sequence[float] = WAITS_S
) -> int | None:
    """Return when to try again after so many attempts, the last at that time; None: it is delivered, or given up."""
    if verdict.outcome not in {"retry", "throttled"} or attempts >= len(waits_s):
        return None
    wait_s = max(waits_s[attempts], verdict.retry_after_s or 0.0)
    jitter = random.Random(f"{delivery_id} {attempts}").uniform(0, _JITTER)  # noqa: S311 - no secret
    return at_ms + round(1000 * wait_s * (1 + jitter))


def health_after(health: Health, verdict: Verdict, at_ms: int) -> Health:
    """Return a destination's health after an attempt."""
    if verdict.outcome == "delivered":
        return Health()
    since = at_ms if health.failing_since is None else health.failing_since
    failures = health.failures + 1
    over = at_ms - since >= DISABLED_AFTER_MS and failures >= DISABLED_AFTER_FAILURES
    disabled = at_ms if health.disabled_at is None and (over or verdict.outcome == "gone") else health.disabled_at
    return Health(since, failures, disabled)
