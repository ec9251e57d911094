"""Alerts for tests: one by hand, and random ones with names as hostile as events and files allow."""

from typing import Any, Final, get_args

from hypothesis import strategies as st

from schemas.alerts import (
    Alert,
    Condition,
    CostlyContact,
    Dimensions,
    Kind,
    Measurement,
    Reason,
    Severity,
    State,
    Unit,
    alert_id,
)
from schemas.configuration.hook_models import Links
from schemas.policies import Metric
from schemas.topics import CHANNELS
from sinks.hooks.messages import TaggedContact

#: 2026-03-02 08:30:00 UTC.
FIRED: Final = 1_772_440_200_000

LINKS: Final = Links(
    dashboard="https://wallboard.example.com/?queue={queue}&rule={rule}",
    runbook="https://wiki.example.com/{condition}",
    conversations={"desk": "https://desk.example.com/a/conversations/{id}?c={contact_id}"},
)


def alert(**changed: Any) -> Alert:  # noqa: ANN401 - any field of an alert
    """Make the alert of the worked example: 18 of 30 calls missed 20 s in half an hour."""
    given: dict[str, Any] = {
        "key": "call-20s\ncall\nbilling",
        "id": alert_id("call-20s\ncall\nbilling", FIRED),
        "sequence": 2,
        "kind": "objective",
        "condition": "burn_rate",
        "rule": "call-20s",
        "severity": "critical",
        "dimensions": Dimensions(channel="call", queue="billing"),
        "state": "firing",
        "reason": "first",
        "at": FIRED,
        "pending_since": FIRED - 60_000,
        "fired_at": FIRED,
        "measured": Measurement(
            value=3.4,
            limit=3.0,
            unit="ratio",
            n=30,
            bad=18,
            metric="first_response",
            target_ms=20_000,
            objective=0.8,
            formula="short_excluded",
            window_ms=1_800_000,
            short_window_ms=300_000,
        ),
        "contacts": [
            CostlyContact(
                contact_id="desk:acme:4711", channel="call", queue="billing", value_ms=125_000, source="desk"
            ),
            CostlyContact(contact_id="pbx:9", channel="call", queue="billing", value_ms=31_400),
        ],
    }
    return Alert(**given | changed)


_SPECIMENS: Final = (
    *("<!channel>", "<https://evil.example|click>", "&amp;", "[x](https://evil.example)", "**bold**", "<at>all</at>"),
    *(
        "Bcc: a@b\r\nX: y",
        "\u202egnp.exe",
        "👩‍👩‍👧‍👦" * 8,
        "é" * 64,
        "<" * 64,
        "&" * 64,
        "🙂" * 64,
        "'\"`{}\\|",
        "..",
        "%2e%2e/",
    ),
)


def names(most: int = 64) -> st.SearchStrategy[str]:
    """Draw a name as an event may have it."""
    drawn = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=most)
    return st.one_of(st.sampled_from(_SPECIMENS), drawn).map(lambda name: name[:most])


def _one_of(literal: object) -> st.SearchStrategy[Any]:
    return st.sampled_from(get_args(literal))


_TIMES: Final = st.integers(0, 4_102_444_799_999)
_CONTACTS: Final = st.builds(
    CostlyContact,
    contact_id=names(128),
    channel=st.sampled_from(CHANNELS),
    queue=names(),
    value_ms=st.integers(0, 10**12),
    source=st.sampled_from(["desk", "other", None]),
)
_MEASUREMENTS: Final = st.builds(
    Measurement,
    value=st.floats(0, 1e12),
    limit=st.floats(0, 1e12),
    unit=_one_of(Unit),
    n=st.none() | st.integers(0, 10**9),
    bad=st.none() | st.integers(0, 10**9),
    metric=st.none() | _one_of(Metric),
    target_ms=st.none() | st.integers(1, 10**11),
    objective=st.none() | st.floats(0.01, 1),
    formula=st.none() | st.just("excluding_abandoned_within"),
    window_ms=st.none() | st.integers(1, 10**11),
    short_window_ms=st.none() | st.integers(1, 10**11),
)
_DIMENSIONS: Final = st.builds(
    Dimensions,
    channel=st.none() | st.sampled_from(CHANNELS),
    queue=st.none() | names(),
    priority=st.none() | st.just("high"),
    segment=st.none() | names(),
    tag=st.none() | names(),
    contact_id=st.none() | names(128),
)


@st.composite
def alerts(draw: st.DrawFn) -> Alert:
    """Draw an alert of any kind in any state."""
    state = draw(_one_of(State))
    since = draw(_TIMES)
    fired = None if state == "pending" else since + draw(st.integers(0, 10**7))
    resolved = fired + draw(st.integers(0, 10**9)) if state == "resolved" and fired is not None else None
    key = draw(names(128))
    return Alert(
        key=key,
        id="" if fired is None else alert_id(key, fired),
        sequence=draw(st.integers(0, 10**6)),
        kind=draw(_one_of(Kind)),
        condition=draw(_one_of(Condition)),
        rule=draw(names(128)),
        severity=draw(_one_of(Severity)),
        dimensions=draw(_DIMENSIONS),
        state=state,
        reason=draw(_one_of(Reason)),
        at=draw(_TIMES),
        pending_since=since,
        fired_at=fired,
        resolved_at=resolved,
        held=draw(st.booleans()),
        notified=draw(st.booleans()),
        acknowledged_by=draw(st.none() | names()),
        measured=draw(_MEASUREMENTS),
        contacts=draw(st.lists(_CONTACTS, max_size=10)),
    )


def tags() -> st.SearchStrategy[TaggedContact]:
    """Draw a tag that was put on a contact."""
    return st.builds(
        TaggedContact, names(128), st.sampled_from(CHANNELS), names(), names(), _TIMES, st.sampled_from(["desk", None])
    )


#: Links as long as they can be, for every source.
LONG_LINKS: Final = Links(
    dashboard="https://wallboard.example.com/?" + "a=&" * 300 + "{queue}{rule}",
    runbook="https://wiki.example.com/" + "<>" * 200 + "{tag}",
    conversations=dict.fromkeys(("desk", "other"), "https://desk.example.com/" + "&" * 900 + "/{id}{contact_id}"),
)
