"""What answers mean, when the next attempt is due, and when a destination is given up."""

from typing import Final, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.configuration.hook_models import DestinationType
from sinks.hooks.answers import FAILURES, Answer, Failure, NoAnswerError
from sinks.hooks.attempts import (
    DISABLED_AFTER_FAILURES,
    DISABLED_AFTER_MS,
    WAITS_S,
    Health,
    Outcome,
    Verdict,
    health_after,
    judge,
    next_attempt_ms,
)
from tests.depth import examples

AT: Final = 1_772_440_200_000
TYPES: Final[tuple[DestinationType, ...]] = get_args(DestinationType)
FAILED: Final = Verdict("retry", "answered 500")


@pytest.mark.parametrize(
    ("kind", "answer", "outcome", "needs_somebody"),
    [
        ("webhook", Answer(204), "delivered", False),
        ("webhook", Answer(302), "retry", True),
        ("webhook", Answer(401), "retry", True),
        ("webhook", Answer(404), "retry", True),
        ("webhook", Answer(410), "gone", True),
        ("webhook", Answer(429), "throttled", False),
        ("webhook", Answer(500), "retry", False),
        ("webhook", Answer(503), "throttled", False),
        ("slack", Answer(200, "ok"), "delivered", False),
        ("slack", Answer(200, "<html>sign in</html>"), "permanent", True),
        ("slack", Answer(400, "invalid_blocks"), "permanent", True),
        ("slack", Answer(403, "action_prohibited"), "permanent", True),
        ("slack", Answer(404, "no_service"), "permanent", True),
        ("slack", Answer(410, "channel_is_archived"), "gone", True),
        ("slack", Answer(429), "throttled", False),
        ("slack", Answer(500), "retry", False),
        ("teams", Answer(202), "delivered", False),
        ("teams", Answer(401), "permanent", True),
        ("teams", Answer(429), "throttled", False),
        ("pagerduty", Answer(202), "delivered", False),
        ("pagerduty", Answer(400, "invalid event"), "permanent", True),
        ("pagerduty", Answer(429), "throttled", False),
        ("alertmanager", Answer(200), "delivered", False),
        ("alertmanager", Answer(400), "permanent", True),
        ("email", Answer(250, "queued"), "delivered", False),
        ("email", Answer(421, "too many"), "retry", False),
        ("email", Answer(535, "who are you"), "permanent", True),
        ("email", Answer(554, "spam"), "permanent", True),
        ("email", Answer(354, "go on"), "retry", False),
        ("email", Answer(-1, "Malformed"), "retry", False),
    ],
)
def test_an_answer_has_a_meaning(
    kind: DestinationType,
    answer: Answer,
    outcome: Outcome,
    needs_somebody: bool,  # noqa: FBT001 - a table
) -> None:
    """By the destination's type; what a person has to mend is said at once."""
    verdict = judge(kind, answer, AT)
    assert (verdict.outcome, verdict.needs_somebody) == (outcome, needs_somebody)


@pytest.mark.parametrize("kind", TYPES)
def test_no_answer_has_a_meaning(kind: DestinationType) -> None:
    """An address that is refused stays refused; all else may pass."""
    verdicts = {failure: judge(kind, NoAnswerError(failure), AT) for failure in FAILURES}
    permanent: set[Failure] = {failure for failure, verdict in verdicts.items() if verdict.outcome == "permanent"}
    assert permanent == {"address_refused", "no_encryption"}
    for_people = {failure for failure, verdict in verdicts.items() if verdict.needs_somebody}
    assert for_people == permanent | {"certificate", "not_smtp"}
    assert all(verdict.why == FAILURES[failure] for failure, verdict in verdicts.items())


def test_an_answer_is_kept_without_what_is_no_text() -> None:
    """Bytes that are no UTF-8 come as surrogates, which no record can hold; escapes of a terminal would act there."""
    assert judge("email", Answer(550, "f\udcfcr \x1b[2J dich"), AT).why == "answered 550: f r [2J dich"


def test_teams_is_not_believed() -> None:
    """Its answer says that the flow was started, not that anything was posted."""
    assert judge("teams", Answer(202), AT).why == "accepted, not known to be posted"


@given(kind=st.sampled_from(TYPES), status=st.integers(100, 999), text=st.text(max_size=500))
def test_any_answer_is_judged(kind: DestinationType, status: int, text: str) -> None:
    """In one line of bearable length; only success is success."""
    verdict = judge(kind, Answer(status, text), AT)
    assert len(verdict.why) < 250
    assert "\n" not in verdict.why
    if kind != "email":
        assert (verdict.outcome == "delivered") == (
            200 <= status < 300 and (kind != "slack" or (status, text.strip()) == (200, "ok"))
        )


@pytest.mark.parametrize(
    ("given_header", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("99999999999999999999", 86_400.0),
        ("Mon, 02 Mar 2026 08:31:00 GMT", 60.0),
        ("Mon, 02 Mar 2026 08:29:00 GMT", 0.0),
        ("Mon, 02 Mar 2026 08:31:00", 60.0),
        ("Mon, 99 Mar 2026 08:31:00 GMT", None),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("\u0667", None),
        (None, None),
    ],
)
def test_retry_after(given_header: str | None, seconds: float | None) -> None:
    """Seconds or a date; at most a day; what is neither is as if it were not there."""
    assert judge("webhook", Answer(429, retry_after=given_header), AT).retry_after_s == seconds


@given(header=st.text(max_size=40))
def test_any_retry_after_is_borne(header: str) -> None:
    """Whatever a receiver sends."""
    wait = judge("webhook", Answer(503, retry_after=header), AT).retry_after_s
    assert wait is None or 0 <= wait <= 86_400


@settings(max_examples=examples(300))
@given(seed=st.text(min_size=1, max_size=40), asked=st.none() | st.floats(0, 86_400))
def test_waits_grow_and_end(seed: str, asked: float | None) -> None:
    """Each attempt comes no earlier than the schedule and the receiver say, and at most a tenth later; then never."""
    verdict = Verdict("throttled", "answered 429", retry_after_s=asked)
    at, attempts = AT, 0
    while (due := next_attempt_ms(attempts, verdict, seed, at)) is not None:
        least = 1000 * max(WAITS_S[attempts], asked or 0)
        assert least - 1 <= due - at <= 1.1 * least + 1
        assert due == next_attempt_ms(attempts, verdict, seed, at)
        at, attempts = due, attempts + 1
    assert attempts == len(WAITS_S) == 10
    assert at - AT >= 1000 * sum(WAITS_S) - 10


def test_the_first_attempt_is_at_once() -> None:
    """A breach is told within seconds; the second attempt follows soon."""
    assert next_attempt_ms(0, FAILED, "x", AT) == AT
    assert 5_000 <= (next_attempt_ms(1, FAILED, "x", AT) or 0) - AT <= 5_500


@pytest.mark.parametrize("outcome", ["delivered", "permanent", "gone"])
@pytest.mark.parametrize("attempts", [1, 9])
def test_what_is_done_is_not_tried_again(outcome: Outcome, attempts: int) -> None:
    """Delivered, or refused for good."""
    assert next_attempt_ms(attempts, Verdict(outcome, ""), "x", AT) is None


def test_deliveries_of_one_outage_come_back_apart() -> None:
    """Their jitter differs."""
    assert len({next_attempt_ms(3, FAILED, str(number), AT) for number in range(50)}) > 45


def _after(attempts: list[tuple[int, Verdict]]) -> Health:
    health = Health()
    for at, verdict in attempts:
        health = health_after(health, verdict, at)
    return health


@settings(max_examples=examples(300))
@given(
    st.lists(
        st.tuples(st.integers(0, 12 * 3_600_000), st.sampled_from(["delivered", "retry", "permanent"])), max_size=60
    )
)
def test_only_failures_for_five_days_disable(drawn: list[tuple[int, Outcome]]) -> None:
    """No sooner, no later, and never with a success in between."""
    at, since, failures, expected = AT, None, 0, None
    attempts: list[tuple[int, Verdict]] = []
    for wait, outcome in drawn:
        at += wait
        attempts.append((at, Verdict(outcome, "")))
        if outcome == "delivered":
            since, failures, expected = None, 0, None
            continue
        since, failures = at if since is None else since, failures + 1
        if expected is None and at - since >= DISABLED_AFTER_MS and failures >= DISABLED_AFTER_FAILURES:
            expected = at
    assert _after(attempts) == Health(since, failures, expected)


def test_a_receiver_that_is_gone_is_disabled_at_once() -> None:
    """It says so itself; a success, by hand, brings it back."""
    gone = [(AT, Verdict("gone", ""))]
    assert _after(gone).disabled_at == AT
    assert _after([*gone, (AT + 1, Verdict("delivered", ""))]) == Health()
