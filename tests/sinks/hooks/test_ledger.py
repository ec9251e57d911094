"""What is to be delivered of a change: once, from a destination's beginning on, also after a start."""

from collections.abc import Iterable
from datetime import UTC

import pytest

from schemas.alerts import STATE_KEY, Alert, DeliveryRecord, Dimensions
from schemas.configuration.hook_models import Filter
from schemas.exits import EndError
from sinks.hooks.answers import FAILURES
from sinks.hooks.attempts import Health
from sinks.hooks.delivery import Delivery
from sinks.hooks.destinations import Destination, FaultyDestination, Hooks
from sinks.hooks.ledger import TAG_AT_MOST_MS, Ledger
from sinks.hooks.messages import TaggedContact
from tests.sinks.hooks.alerts import FIRED, LINKS, alert
from tests.sinks.hooks.made import destination

DUTY = destination("http://127.0.0.1:1/", name="duty")
OTHER = destination("http://127.0.0.1:1/", name="other")
TAGS = OTHER._replace(name="tags", events=frozenset({"tags"}), filter=Filter(tags=["lead"]))


def _ledger(*to: Destination, records: dict[bytes, bytes] | None = None, end: int = 0) -> Ledger:
    made = Ledger(records or {}, UTC)
    made.begin(end)
    made.use(Hooks(to, LINKS), end, FIRED)
    return made


def _written(ledger: Ledger, made: Iterable[DeliveryRecord]) -> dict[bytes, bytes]:
    """Write what the topic then has."""
    records = {each.webhook_id.encode(): each.model_dump_json().encode() for each in made}
    return {**records, STATE_KEY: ledger.state()}


def _told(ledger: Ledger, change: Alert, offset: int) -> list[str]:
    ledger.position = offset + 1
    return [each.destination for each in ledger.of_alert(change, offset, FIRED)]


def test_a_destination_begins_at_the_present() -> None:
    """At the end of the topic the first time; one that comes later is told of what follows, after a start too."""
    first = _ledger(DUTY, end=10)
    assert first.position == 10
    assert _told(first, alert(sequence=1), 9) == []
    assert _told(first, alert(sequence=2), 10) == ["duty"]
    first.use(Hooks((DUTY, OTHER), LINKS), 11, FIRED)
    second = _ledger(DUTY, OTHER, records=_written(first, ()), end=20)
    assert second.position == 11
    assert _told(second, alert(sequence=3), 10) == ["duty"]
    assert _told(second, alert(sequence=4), 11) == ["duty", "other"]


def test_one_that_is_faulty_is_told_once_it_is_mended() -> None:
    """From where its fault began, over starts, alone; one that is new from where it was put in."""
    first = _ledger(DUTY, OTHER, end=10)
    assert _told(first, alert(sequence=1), 10) == ["duty", "other"]
    faulty = (FaultyDestination("duty", ("a fault",)), FaultyDestination("tags", ("a fault",)))
    held = Hooks((OTHER,), LINKS, faulty)
    second = Ledger(_written(first, ()), UTC)
    second.begin(14)
    second.use(held, 14, FIRED)
    assert second.position == 11
    changes = {offset: alert(sequence=offset) for offset in range(11, 16)}
    assert [_told(second, changes[offset], offset) for offset in range(11, 14)] == [["other"]] * 3
    third = Ledger(_written(second, ()), UTC)
    third.begin(14)
    third.use(held, 14, FIRED)
    assert not third.releases(held)
    assert third.releases(Hooks((OTHER, DUTY), LINKS, faulty[1:]))
    assert third.releases(Hooks((OTHER,), LINKS, faulty[:1]))
    assert _told(third, changes[14], 14) == ["other"]
    third.use(Hooks((OTHER, DUTY), LINKS, faulty[1:]), 15, FIRED)
    assert third.position == 11
    assert [_told(third, changes[offset], offset) for offset in range(11, 16)] == [*[["duty"]] * 4, ["other", "duty"]]
    mended = OTHER._replace(name="tags")
    third.use(Hooks((OTHER, DUTY, mended), LINKS), 16, FIRED)
    assert third.position == 14
    assert _told(third, changes[14], 14) == ["tags"]
    assert third.destinations["tags"].since == FIRED


def test_one_that_is_put_in_again_begins_again() -> None:
    """What happened while it was not there is not told."""
    ledger = _ledger(DUTY)
    ledger.use(Hooks((), LINKS), 5, FIRED)
    ledger.use(Hooks((DUTY,), LINKS), 7, FIRED)
    assert _told(ledger, alert(sequence=1), 6) == []
    assert _told(ledger, alert(sequence=2), 7) == ["duty"]


def test_what_has_a_delivery_gets_no_second_one() -> None:
    """Also where the topic of alerts was recreated and is read from its beginning."""
    first = _ledger(DUTY)
    first.position = 30
    made = first.of_alert(alert(), 29, FIRED)
    again = _ledger(DUTY, records=_written(first, made), end=3)
    assert again.position == 0
    assert again.of_alert(alert(), 0, FIRED) == []
    assert list(again.unfinished.values()) == made
    assert _told(again, alert(sequence=3), 2) == ["duty"]


def test_a_message_that_cannot_be_written_is_given_up_and_others_are_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By an error in Pulssi itself, of an alert or a tag: else the deliverer would end there, at each start again."""

    def made(_: object, to: Destination, *more: object) -> Delivery:
        del more
        if to.name == "duty":
            raise ValueError("of somebody@example.com")
        return Delivery("any", to.name, b"{}")

    monkeypatch.setattr("sinks.hooks.ledger.alert_delivery", made)
    monkeypatch.setattr("sinks.hooks.ledger.tag_delivery", made)
    ledger = _ledger(DUTY, OTHER)
    duty, other = ledger.of_alert(alert(), 0, FIRED)
    assert (duty.status, duty.body, duty.attempts[0].why) == ("given_up", None, FAILURES["pulssi_error"])
    assert (other.status, other.body) == ("waiting", "{}")
    assert ledger.of_alert(alert(), 0, FIRED) == []
    tags = _ledger(TAGS._replace(name="duty"))
    (of_tag,) = tags.of_tag(TaggedContact("desk:1", "chat", "sales", "lead", FIRED), FIRED)
    assert (of_tag.status, of_tag.alert_id) == ("given_up", "")
    assert caplog.text.count("ValueError at") == 2
    assert "somebody" not in caplog.text


def test_an_end_is_told_to_those_who_were_told_of_the_beginning() -> None:
    """A destination that came between is not told; one that wants ends alone is."""
    ends = OTHER._replace(name="ends", filter=Filter(states=["resolved"]))
    ledger = _ledger(DUTY, ends)
    assert _told(ledger, alert(sequence=1), 0) == ["duty"]
    ledger.use(Hooks((DUTY, OTHER, ends), LINKS), 1, FIRED)
    over = alert(sequence=2, state="resolved", reason="resolved", resolved_at=FIRED + 1, notified=True)
    assert _told(ledger, over, 1) == ["duty", "ends"]


@pytest.mark.parametrize(
    ("of", "became"),
    [
        (Filter(severities=["warning"]), {"severity": "critical"}),
        (Filter(conditions=["at_risk"]), {"condition": "breached"}),
        (Filter(queues=["billing"]), {"dimensions": Dimensions(channel="call", queue="sales")}),
    ],
)
def test_an_end_is_told_whatever_the_alert_became(of: Filter, became: dict[str, object]) -> None:
    """Else an incident that began as a warning would stay open for ever."""
    begun = alert(sequence=1, severity="warning", condition="at_risk", notified=True)
    over: dict[str, object] = {"state": "resolved", "reason": "resolved", "resolved_at": FIRED + 1, "notified": True}
    ledger = _ledger(DUTY._replace(filter=of))
    assert _told(ledger, begun, 0) == ["duty"]
    assert _told(ledger, alert(sequence=2, reason="changed", **became), 1) == []
    assert _told(ledger, alert(sequence=3, **over, **became), 2) == ["duty"]
    firing_alone = _ledger(DUTY._replace(filter=Filter(states=["firing"])))
    assert (_told(firing_alone, begun, 0), _told(firing_alone, alert(sequence=3, **over), 1)) == (["duty"], [])


def test_what_is_pending_is_told_again_once_it_was_forgotten() -> None:
    """Its sequence starts again then."""
    ledger = _ledger(DUTY._replace(filter=Filter(states=["pending"])))
    pending = alert(id="", state="pending", sequence=1, fired_at=None)
    assert _told(ledger, pending, 0) == ["duty"]
    assert _told(ledger, pending, 1) == []
    later = FIRED + 3 * 86_400_000
    assert _told(ledger, pending.model_copy(update={"at": later, "pending_since": later}), 2) == ["duty"]


def test_a_tag_is_told_once_and_from_the_beginning_of_its_filter_on() -> None:
    """Not one that is too old to know whether it was told; another filter begins at the present."""
    ledger = _ledger(TAGS)
    tagged = TaggedContact("desk:1", "chat", "sales", "lead", FIRED)
    made = ledger.of_tag(tagged, FIRED)
    assert [each.queue for each in made] == [made[0].webhook_id]
    assert ledger.of_tag(tagged._replace(tag="Lead", at=FIRED + 5), FIRED + 9) == []
    again = _ledger(TAGS, records=_written(ledger, made))
    assert again.of_tag(tagged, FIRED) == []
    assert again.of_tag(tagged._replace(contact_id="desk:2", at=FIRED - 1), FIRED) == []
    assert again.of_tag(tagged._replace(contact_id="desk:3"), FIRED + TAG_AT_MOST_MS + 1) == []
    wider = TAGS._replace(filter=Filter(tags=["lead", "vip"]))
    again.use(Hooks((wider,), LINKS), 0, FIRED + 100)
    assert again.of_tag(tagged._replace(contact_id="desk:4", tag="vip", at=FIRED + 99), FIRED + 101) == []
    assert len(again.of_tag(tagged._replace(contact_id="desk:4", tag="vip", at=FIRED + 100), FIRED + 101)) == 1


def test_a_destination_that_is_mended_is_enabled() -> None:
    """Its health survives a start, and not a change of its entry."""
    first = _ledger(DUTY)
    first.set_health("duty", Health(FIRED, 3, FIRED + 1))
    second = _ledger(DUTY, records=_written(first, ()))
    assert second.health("duty") == Health(FIRED, 3, FIRED + 1)
    second.use(Hooks((DUTY._replace(host="mended"),), LINKS), 0, FIRED)
    assert second.health("duty") == Health()


def test_a_topic_of_alerts_that_was_made_anew_is_told_from_its_beginning() -> None:
    """Also where it has grown beyond what was told of the former one: Kafka gives it another id."""
    first = Ledger({}, UTC)
    first.begin(0, "one")
    first.use(Hooks((DUTY,), LINKS), 0, FIRED)
    made = first.of_alert(alert(), 0, FIRED)
    first.position = 1
    same, other, unknown = (Ledger(_written(first, made), UTC) for _ in range(3))
    same.begin(30, "one")
    unknown.begin(30)
    other.begin(30, "two")
    assert (same.position, unknown.position, other.position) == (1, 1, 0)
    other.use(Hooks((DUTY,), LINKS), 30, FIRED)
    assert _told(other, alert(sequence=9), 0) == ["duty"]


def test_what_waits_goes_on_in_the_order_in_which_it_happened() -> None:
    """The sequence of a key begins again once its alert was forgotten, while an older delivery may still wait."""
    ledger = _ledger(DUTY)
    over = alert(sequence=8, state="resolved", reason="resolved", resolved_at=FIRED + 1, at=FIRED + 1, notified=True)
    changes = [alert(sequence=7), over, alert(sequence=1, id="another", at=FIRED + 100, fired_at=FIRED + 100)]
    made = [record for place, each in enumerate(changes) for record in ledger.of_alert(each, place, FIRED)]
    again = _ledger(DUTY, records=_written(ledger, reversed(made)))
    assert [each.sequence for each in again.unfinished.values()] == [7, 8, 1]


@pytest.mark.parametrize("value", [b'{"v": 2}', b'{"v": 2, "by": "a newer version"}'])
def test_a_record_of_a_newer_version_ends_it(value: bytes) -> None:
    """With what to do; so does a record of its own that is not readable, else changes would be passed over."""
    with pytest.raises(EndError, match="run the version that wrote it"):
        Ledger({b"id": value}, UTC)
    with pytest.raises(EndError, match="run the version that wrote it"):
        Ledger({STATE_KEY: b"{}"}, UTC)


@pytest.mark.parametrize("value", [b"{}", b"", b"\xff", b"[1]", b'{"v": "2"}'])
def test_a_record_that_is_no_delivery_holds_up_no_other(value: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """It is named, and passed over."""
    first = _ledger(DUTY)
    made = first.of_alert(alert(), 0, FIRED)
    again = _ledger(DUTY, records=_written(first, made) | {b"an id": value})
    assert list(again.unfinished.values()) == made
    assert "the record of the key b'an id' is no delivery" in caplog.text
