"""What of a running epoch is in, and that an ended one has all it will ever have."""

from sinks.reconcile.epochs import Epochs, epoch_of, repair_version
from sinks.rows import Progress, version_of

CHAT = ("contacts.chat", 0)
OTHER = ("contacts.chat", 1)


def _progress(epoch: int, following: int, journal_end: int, parked: int = 0) -> Progress:
    return Progress(*CHAT, epoch, following, 1, 0, journal_end, 1, parked)


def test_a_running_epoch_is_in_as_far_as_its_progress_says() -> None:
    """Events below the next offset, rows below the journal's end; of a partition that nobody claimed, nothing."""
    epochs = Epochs([_progress(1, 100, 50), _progress(2, 10, 5)])
    assert epochs.last_ended == 1
    assert [epochs.is_running(CHAT, epoch) for epoch in (1, 2, 3)] == [False, True, True]
    assert epochs.is_running(OTHER, 1)
    events = [(CHAT, 1, 10_000), (CHAT, 2, 9), (CHAT, 2, 10), (CHAT, 3, 0), (OTHER, 1, 0)]
    assert [epochs.is_event_written(*event) for event in events] == [True, True, False, False, False]
    assert [epochs.is_row_written(CHAT, version_of(*of)) for of in ((2, 4), (2, 5), (3, 0))] == [True, False, False]


def test_a_repaired_row_is_written() -> None:
    """Though its version stands above any journal offset; a later epoch's rows win over it."""
    epochs = Epochs([_progress(2, 10, 5)])
    assert epochs.is_row_written(CHAT, repair_version(2))
    assert epoch_of(repair_version(2)) == 2
    assert version_of(2, 1 << 39) < repair_version(2) < version_of(3, 0)


def test_while_contacts_are_parked_none_is_called_wrong() -> None:
    """Their events are read and archived, and counted later."""
    assert not Epochs([_progress(1, 100, 50, parked=1)]).is_event_written(CHAT, 1, 9)
