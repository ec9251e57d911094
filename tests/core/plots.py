"""Contacts drawn at random that come to something: what happens on a floor, and anything at all between.

Events of any types in any order are mostly nonsense: hardly one in a hundred such contacts has a customer who writes
twice and is answered. So a contact here is a plot, a few scenes one after the other (a bot, a queue, a conversation
with holds, a turn of messages, a resolution that does not last …), with events of no sense among them. Then it is
spoilt: an agent's clock goes wrong, many events share a time and a `seq`, some come twice or with other contents under
the same id, and all of them in any order. `test_plots.py` counts that everything occurs which the metrics tell apart.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from hypothesis import strategies as st

#: 2026-03-02T08:00:00Z, and 2026-03-28T08:00:00Z, a day before clocks are put forward in Europe.
BEGIN_MS: Final = (1_772_438_400_000, 1_774_684_800_000)
AGENTS: Final = ("ann", "bo")
QUEUES: Final = ("red", "blue")

#: Between one event of a plot and the next: several at once, within a target and beyond it, and a day or so.
GAPS_MS: Final = (0, 0, 1, 999, 4_000, 4_000, 20_000, 31_000, 65_000, 130_000, 130_000, 86_400_001)
#: By how much agents' clocks are wrong.
SKEWS_MS: Final = (0, 0, 0, 0, -75_000, 40_000)
#: Where an event that belongs to no plot stands.
ANYWHERE_MS: Final = (-75_000, 0, 1, 2, 30_000, 60_000, 90_000, 200_000, 90_000_000)

#: How sources write times: in UTC with milliseconds, with more digits than count, in a zone of their own.
_INDIA: Final = timezone(timedelta(hours=5, minutes=30))
WRITTEN: Final[dict[str, Callable[[datetime], str]]] = {
    "milliseconds": lambda moment: moment.isoformat(timespec="milliseconds"),
    "nanoseconds": lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}999999Z",
    "elsewhere": lambda moment: moment.astimezone(_INDIA).isoformat(timespec="milliseconds"),
}

_Fields = dict[str, st.SearchStrategy[Any]]
_AGENT: Final = st.sampled_from(AGENTS)
_SCALES: Final = st.sampled_from([(1, 4), (2, 4), (3, 4), (4, 4), (2.5, 3), (3.3, 5), (2, 8), (7, 7)])

#: Types and the fields each may have.
FIELDS: Final[dict[str, _Fields]] = {
    "contact.started": {
        "direction": st.sampled_from(["inbound", "inbound", "inbound", "outbound"]),
        "initiated_by": st.sampled_from(["customer", "customer", "customer", "agent", "system"]),
    },
    "contact.queued": {"queue": st.sampled_from(QUEUES)},
    "contact.handed_off": {},
    "contact.connected": {"agent_id": _AGENT},
    "contact.held": {"agent_id": _AGENT},
    "contact.resumed": {"agent_id": _AGENT},
    "contact.transferred": {"agent_id": st.sampled_from([None, *AGENTS]), "queue": st.sampled_from([None, *QUEUES])},
    "contact.dequeued": {"reason": st.sampled_from([None, "timeout", "overflow", "callback", "callback", "voicemail"])},
    "contact.disconnected": {"agent_id": st.sampled_from([None, *AGENTS])},
    "contact.wrapped": {"agent_id": _AGENT},
    "contact.abandoned": {},
    "message.sent": {
        "author": st.sampled_from(["customer", "customer", "agent", "agent", "bot", "system"]),
        "agent_id": st.sampled_from([None, *AGENTS]),
        "public": st.sampled_from([None, True, True, False]),
        "automatic": st.sampled_from([None, False, False, True]),
    },
    "contact.tagged": {
        "tags": st.lists(st.sampled_from(["Fire", "fire ", "ice", "ﬁn"]), max_size=3),
        "replace": st.sampled_from([None, False, True, True]),
    },
    "contact.untagged": {"tags": st.lists(st.sampled_from(["FIRE", "ice"]), min_size=1, max_size=2)},
    "contact.prioritised": {"priority": st.sampled_from(["low", "urgent"])},
    "contact.resolved": {},
    "contact.reopened": {},
    "contact.paused": {"for": st.sampled_from([None, "customer", "third_party"])},
    "contact.unpaused": {},
    "contact.missed": {"agent_id": _AGENT},
    "contact.evaluated": {"score": _SCALES, "form": st.sampled_from([None, "call"])},
    "contact.rated": {
        "score": _SCALES,
        "comment_present": st.sampled_from([None, True]),
        "survey_id": st.sampled_from([None, "week", "year"]),
    },
    "contact.discarded": {"reason": st.sampled_from(["merged", "spam", "test", "test", "other"])},
    "event.voided": {"voids": st.sampled_from([*map(str, range(12)), "what?", "where?"])},
    "contact.unheard_of": {"queue": st.just("nowhere")},
}
#: What stands between the scenes: anything, but what makes the whole contact nothing stands there seldom.
SELDOM: Final = ("event.voided", "contact.discarded")
BETWEEN: Final = (*sorted(set(FIELDS) - set(SELDOM)) * 2, *SELDOM, "contact.unheard_of")
EXTRAS: Final = (
    *({"queue": "red"}, {"team": "north"}, {"agent_id": "bo"}),
    *({"segment": "vip", "agent_id": ""}, {"language": "fi", "team": " ", "queue": ""}),
)


class Contact:
    """A contact that is being made up: its events so far, and the time."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.channel: str = draw(st.sampled_from(["chat", "email", "call"]))
        self.events: list[dict[str, Any]] = []
        self._begin = draw(st.sampled_from(BEGIN_MS))
        self._written = WRITTEN[draw(st.sampled_from(["milliseconds", *WRITTEN]))]
        self._skew = draw(st.sampled_from(SKEWS_MS))
        self._now = 0

    def when(self, chance: int = 2) -> bool:
        """Draw whether something happens: once in `chance` times."""
        return self.draw(st.integers(1, chance)) == 1

    def tell(self, kind: str, at: int | None = None, **fields: object) -> dict[str, Any]:
        """Have something happen, some time after what happened before; the fields that are not given are drawn."""
        if at is None:
            self._now += self.draw(st.sampled_from(GAPS_MS))
        whole = {name: self.draw(values) for name, values in FIELDS[kind].items() if name not in fields} | fields
        if isinstance(whole.get("score"), tuple):
            whole["score"], whole["scale_max"] = whole["score"]
        if whole.get("tags") == [] and not whole["replace"]:
            whole["tags"] = ["ice"]
        extra = self.draw(st.sampled_from(EXTRAS)) if self.when(6) else {}
        whole = {**extra, **whole}
        offset = self._now + (self._skew if whole.get("agent_id") else 0) if at is None else at
        event = {
            "event_id": str(len(self.events)),
            "type": kind,
            "contact_id": f"{self.channel}-1",
            "channel": self.channel,
            "occurred_at": self._written(datetime.fromtimestamp((self._begin + offset) / 1000, UTC)),
            "seq": self.draw(st.sampled_from([0, 0, 0, 1])),
            "source": "test",
            **{name: value for name, value in whole.items() if value is not None},
        }
        self.events.append(event)
        return event

    def says(self, author: str, agent: str | None = None) -> None:
        """Have someone write, to the other side and by hand."""
        if author == "agent" and agent is None:
            agent = self.draw(_AGENT)
        self.tell("message.sent", author=author, agent_id=agent, public=None, automatic=None)


def _bot(contact: Contact) -> None:
    contact.says("customer")
    contact.says("bot")
    goes_on = contact.draw(st.sampled_from(["contact.resolved", "contact.handed_off", "contact.abandoned", None]))
    if goes_on is not None:
        contact.tell(goes_on)
    if goes_on == "contact.handed_off" and contact.when():
        _queue(contact)


def _queue(contact: Contact) -> None:
    contact.tell("contact.queued")
    for kind in ("contact.queued", "contact.missed", "contact.prioritised", "contact.dequeued"):
        if contact.when(2 if kind == "contact.dequeued" else 3):
            contact.tell(kind)
    if contact.when():
        contact.tell("contact.abandoned")


def _is_called_back(contact: Contact) -> None:
    """Leave the queue, and the line, mostly for a call back."""
    contact.tell("contact.queued")
    if contact.when(3):
        contact.tell("contact.dequeued")
    else:
        contact.tell("contact.dequeued", reason="callback")
    for kind in ("contact.queued", "contact.disconnected", "contact.queued", "contact.connected"):
        if contact.when():
            contact.tell(kind)


def _comes_back(contact: Contact) -> None:
    """Give up, in a queue or in the middle of a turn perhaps, return somehow, and be seen to."""
    if contact.channel == "call" or contact.when():
        contact.tell("contact.queued")
    if contact.when():
        contact.says("agent")
        contact.says("customer")
    contact.tell("contact.abandoned")
    contact.tell(contact.draw(st.sampled_from(["contact.queued", "contact.reopened", "contact.tagged"])))
    if contact.when():
        contact.says("customer")
    if contact.channel == "call" or contact.when():
        contact.tell("contact.connected")
    else:
        contact.says("agent")


def _is_cut_off(contact: Contact) -> None:
    """Have one agent connect twice; the form of the first part is saved during the second, or never."""
    agent = contact.draw(_AGENT)
    contact.tell("contact.connected", agent_id=agent)
    if not contact.when(4):
        contact.tell("contact.disconnected")
    contact.tell("contact.connected", agent_id=agent)
    for kind in ("contact.held", "contact.wrapped", "contact.wrapped", "contact.disconnected", "contact.wrapped"):
        if contact.when():
            contact.tell(kind, agent_id=agent)


def _gives_up(contact: Contact) -> None:
    contact.tell("contact.queued")
    for _ in range(contact.draw(st.integers(0, 3))):
        contact.tell("contact.missed")
    contact.tell("contact.abandoned")


def _hangs_up(contact: Contact) -> None:
    """Leave where nobody was asked for: from a menu."""
    contact.tell(contact.draw(st.sampled_from(["contact.abandoned", "contact.abandoned", "contact.disconnected"])))


def _conversation(contact: Contact) -> None:
    agent = contact.draw(_AGENT)
    contact.tell("contact.connected", agent_id=agent)
    for _ in range(contact.draw(st.integers(0, 2))):
        contact.tell("contact.held", agent_id=agent)
        if not contact.when(4):
            contact.tell("contact.resumed", agent_id=agent)
    if contact.channel != "call":
        contact.says("agent", agent)
    if contact.when():
        contact.tell("contact.transferred")
    elif contact.when():
        contact.tell("contact.disconnected")
    if contact.when():
        contact.tell("contact.wrapped", agent_id=agent)


def _turn(contact: Contact) -> None:
    for _ in range(contact.draw(st.integers(1, 3))):
        contact.says("customer")
    contact.says("agent")


def _resolution(contact: Contact) -> None:
    for _ in range(contact.draw(st.integers(0, 2))):
        contact.tell("contact.paused")
        if contact.when(3):
            contact.says("customer")
        if contact.when():
            contact.tell("contact.unpaused")
    contact.tell("contact.resolved")
    if contact.when():
        if contact.when(4):
            contact.tell("contact.paused")
        if contact.when():
            contact.tell("contact.reopened")
        else:
            contact.says("customer")
        if contact.when():
            contact.tell("contact.resolved")


def _words(contact: Contact) -> None:
    contact.tell("contact.tagged")
    if contact.when():
        contact.tell("contact.untagged")


def _opinions(contact: Contact) -> None:
    for _ in range(contact.draw(st.integers(1, 3))):
        contact.tell("contact.rated")
    if contact.when():
        contact.tell("contact.evaluated")


def _undone(contact: Contact) -> None:
    """Discard the contact, undo what was told last, which may be that, or what never was."""
    for reason in contact.draw(st.sampled_from([[], ["spam"], ["other"], ["test", "spam"], ["merged", "test"]])):
        contact.tell("contact.discarded", reason=reason)
    if contact.when():
        contact.tell("event.voided", voids=str(max(0, len(contact.events) - 1)))
    elif contact.when():
        contact.tell("event.voided", voids="what?")


SCENES: Final = (
    *(_bot, _queue, _queue, _conversation, _conversation, _turn, _turn, _turn, _resolution),
    *(_is_called_back, _comes_back, _is_cut_off),
)
ASIDES: Final = (_resolution, _words, _opinions, _undone)


@st.composite
def contacts(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw one contact's events, in no order, some of them twice, sometimes with other contents under the same id."""
    contact = Contact(draw)
    if not contact.when(6):
        contact.tell("contact.started")
    if contact.when(3):
        draw(st.sampled_from([_bot, _bot, _gives_up, _comes_back, _hangs_up]))(contact)
        aside = draw(st.sampled_from([None, None, *ASIDES]))
        scenes = [] if aside is None else [aside]
    else:
        scenes = draw(st.lists(st.sampled_from((*SCENES, *ASIDES)), min_size=1, max_size=6))
    for scene in scenes:
        scene(contact)
    for kind in draw(st.lists(st.sampled_from(BETWEEN), max_size=4)) if contact.when() else ():
        contact.tell(kind, at=draw(st.sampled_from(ANYWHERE_MS)))
    events = contact.events
    again = draw(st.lists(st.sampled_from(events), max_size=3)) if events else []
    return draw(st.permutations([*events, *(_changed(draw, event) for event in again)]))


def _changed(draw: st.DrawFn, event: dict[str, Any]) -> dict[str, Any]:
    change = draw(st.sampled_from([{}, {}, {"seq": 1 - event["seq"]}, {"team": "south"}]))
    return {**event, **change}
