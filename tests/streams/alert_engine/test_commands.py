"""What people say of alerts: which silences hold, and who acknowledged first."""

from typing import Final

import pytest

from schemas.alerts import Acknowledge, EndSilence, Silence
from streams.alert_engine.commands import Commands, read_command

NOW: Final = 1_772_442_000_000


def test_a_silence_holds_until_it_is_ended() -> None:
    """A command that ends a silence ends it; one that ends an unknown one changes nothing."""
    commands = Commands()
    for name in ("held", "ended"):
        commands.apply(Silence(type="silence", at=NOW, by="Maija", silence_id=name, until=NOW + 1))
    for name in ("ended", "unknown"):
        commands.apply(EndSilence(type="end_silence", at=NOW, by="Pekka", silence_id=name))
    assert list(commands.silences) == ["held"]


def test_the_first_acknowledgement_stays() -> None:
    """Whoever acknowledges an alert a second time does not take it from the first."""
    commands = Commands()
    for by in ("Maija", "Pekka"):
        commands.apply(Acknowledge(type="acknowledge", at=NOW, by=by, alert_id="a"))
    assert commands.acknowledged["a"].by == "Maija"


@pytest.mark.parametrize("value", [None, b"", b"{}", b'{"type": "dance"}', b"\xff"])
def test_a_record_that_is_no_command_is_passed_over(value: bytes | None) -> None:
    """Whatever stands in the topic, reading goes on."""
    assert read_command(value) is None
