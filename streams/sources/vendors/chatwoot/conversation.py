"""The events of a conversation, from a hook or from a row of the API.

Chatwoot sends the present state of a conversation. So most events state this state, as of `updated_at`, and change
nothing when they are repeated. Its `id` is the number that people see, unique within the account.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from schemas.topics import Channel
from streams.sources.adapter import AccountRules, Event, UnmappableError
from streams.sources.contact_events import ContactEvents
from streams.sources.pseudonyms import customer_pseudonym
from streams.sources.vendor_values import list_at, optional_text_at, text_at, time_of, value_at

#: Statements come after the messages of their time, whose `seq` is their id.
_LATE: Final = 2**40
_STATE, _QUEUE, _TAGS, _STATUS, _RATING = _LATE, _LATE + 1, _LATE + 2, _LATE + 500, _LATE + 600
_PRIORITIES: Final = {"low": "low", "medium": "normal", "high": "high", "urgent": "urgent"}
_CHANNELS: Final[Mapping[str, Channel]] = {
    "Channel::Email": "email",
    "Channel::Voice": "call",
    **dict.fromkeys(
        (
            "Channel::Api",
            "Channel::FacebookPage",
            "Channel::Instagram",
            "Channel::Line",
            "Channel::Sms",
            "Channel::Telegram",
            "Channel::Tiktok",
            "Channel::TwilioSms",
            "Channel::TwitterProfile",
            "Channel::WebWidget",
            "Channel::Whatsapp",
        ),
        "chat",
    ),
}
#: In `queues`, in front of a team's id or name.
TEAM_KEY: Final = "team/"


class ConversationFacts(NamedTuple):
    """Which contact it is, and where it came in."""

    number: str
    channel: Channel
    inbox: str
    customer: str


def left_out(within: Any, path: str, account: AccountRules) -> str:  # noqa: ANN401 - JSON
    """Say why a conversation is not taken; empty: it is."""
    named = _channel_name(within, path)
    return f"{named}: left out by the account" if named in account.left_out else ""


def _channel_name(within: Any, path: str) -> str:  # noqa: ANN401 - JSON
    return optional_text_at(within, at_path(path, "channel")) or optional_text_at(within, at_path(path, "meta.channel"))


def conversation_facts(within: Any, path: str, account: AccountRules) -> ConversationFacts:  # noqa: ANN401 - JSON
    """Read them from a conversation at a path, or, with an empty path, from a conversation itself."""
    named = _channel_name(within, path)
    channel = account.channels.get(named) or _CHANNELS.get(named) or account.channel
    if channel is None:
        shown = (
            f"is {named[:64]!r}, which is not known: name it in `channels` of the account" if named else "is missing"
        )
        raise UnmappableError(at_path(path, "channel"), shown)
    return ConversationFacts(
        text_at(within, at_path(path, "id")),
        channel,
        optional_text_at(within, at_path(path, "inbox_id")),
        optional_text_at(within, at_path(path, "meta.sender.id")),
    )


class Conversation:
    """Makes the events of one conversation."""

    def __init__(self, facts: ConversationFacts, account: AccountRules) -> None:
        self.facts = facts
        self._account = account
        customer = customer_pseudonym(account, facts.customer)
        self._made = ContactEvents(account, facts.number, facts.channel, customer_id=customer)

    @property
    def events(self) -> tuple[Event, ...]:
        """What was made so far."""
        return tuple(self._made.events)

    def started(self, at: str, *, outreach: bool) -> None:
        """It was created: by the customer, or by an agent who wrote first."""
        self._made.add(
            "contact.started",
            at,
            "created",
            direction="outbound" if outreach else None,
            initiated_by="agent" if outreach else None,
        )

    def queued(self, at: str, queue: str) -> None:
        """It waits for a human. A call waits on the telephone."""
        if queue and self.facts.channel != "call":
            self._made.add("contact.queued", at, "queued", queue, at, seq=_QUEUE, queue=queue)

    def handed_off(self, at: str) -> None:
        """A bot has passed it on to humans; in which queue it waits since then is not said."""
        self._made.add("contact.handed_off", at, "handed_off", at, seq=_QUEUE)

    def state(self, within: Any, path: str, at: str, queue: str) -> None:  # noqa: ANN401 - JSON
        """Its queue, priority, team, labels and status are these, as of a time."""
        priority = priority_at(within, at_path(path, "priority"))
        team = self._account.team_named(
            value_at(within, at_path(path, "meta.team.id")), value_at(within, at_path(path, "meta.team.name"))
        )
        self._made.add(
            "contact.prioritised",
            at,
            *("state", queue, priority, team, at),
            seq=_STATE,
            priority=priority,
            queue=queue,
            team=team,
        )
        if value_at(within, at_path(path, "labels")) is not None:
            labels = list_at(within, at_path(path, "labels"))
            if not all(isinstance(label, str) for label in labels):
                raise UnmappableError(at_path(path, "labels"), "must be a list of labels")
            self._made.add_all_tags(at, labels, "labels", at, seq=_TAGS)
        self.status(text_at(within, at_path(path, "status")), at_path(path, "status"), at)

    def status(self, status: str, field: str, at: str) -> None:
        """Its status is this. Pending is with a bot, snoozed waits for the customer or a time."""
        if status == "resolved":
            self._made.add("contact.resolved", at, "status", status, at, seq=_STATUS + 9)
            return
        if status not in {"open", "pending", "snoozed"}:
            raise UnmappableError(field, f"is {status[:64]!r}, which is not known")
        self._made.add("contact.reopened", at, "status", status, at, "reopened", seq=_STATUS)
        self._made.add("contact.unpaused", at, "status", status, at, "unpaused", seq=_STATUS + 1)
        if status == "snoozed":
            self._made.add("contact.paused", at, "status", status, at, seq=_STATUS + 2, for_="customer")

    def message(self, number: str, at: str, who: Mapping[str, Any], *, public: bool) -> None:
        """A message: `who` are its author's fields."""
        seq = int(number) if number.isdecimal() and len(number) < len(str(_LATE)) else 0
        self._made.add("message.sent", at, "message", number, seq=seq, public=None if public else False, **who)

    def rated(self, message: str, at: str, score: Any, *, comment: bool, agent: str = "") -> None:  # noqa: ANN401 - JSON
        """The customer has answered the survey that a message put."""
        if isinstance(score, str) and score.isdecimal():
            score = int(score)
        fields: dict[str, Any] = {"score": score, "scale_max": 5, "comment_present": comment or None}
        if agent:
            fields["agent_id"] = self._account.agent_id(agent)
        survey = f"csat:{message}"
        self._made.add("contact.rated", at, survey, score, at, seq=_RATING, survey_id=survey, **fields)


def queue_of(within: Any, path: str, account: AccountRules) -> str:  # noqa: ANN401 - JSON
    """Name the queue: the team's, where `queues` has it as `team/ID` or `team/NAME`; else the inbox's.

    An inbox is named by its id alone: not every payload has its name.
    """
    for key in ("id", "name"):
        team = optional_text_at(within, at_path(path, f"meta.team.{key}"))
        if team and f"{TEAM_KEY}{team}" in account.queues:
            return account.queues[f"{TEAM_KEY}{team}"]
    return inbox_queue_of(within, path, account)


def inbox_queue_of(within: Any, path: str, account: AccountRules) -> str:  # noqa: ANN401 - JSON
    """Name the queue of the inbox, which a conversation never leaves: where every one is at first."""
    return account.queue_named(optional_text_at(within, at_path(path, "inbox_id")))


def as_of(within: Any, path: str) -> str:  # noqa: ANN401 - JSON
    """Give the time of which a conversation's state is: its last update, else its last activity; 0 is none."""
    for key in ("updated_at", "last_activity_at", "timestamp"):
        found = value_at(within, at_path(path, key))
        if found not in (None, "", 0):
            return time_of(found, at_path(path, key))
    raise UnmappableError(at_path(path, "updated_at"), "is missing")


def priority_at(within: Any, path: str) -> str:  # noqa: ANN401 - JSON
    """Give the priority; none is normal."""
    written = optional_text_at(within, path)
    if written and written not in _PRIORITIES:
        raise UnmappableError(path, f"is {written[:64]!r}, which is not known")
    return _PRIORITIES.get(written, "normal")


def whole_second(value: Any, field: str) -> str:  # noqa: ANN401 - JSON
    """Read a time, cut to its second: as exact as the API tells it, so that hook and import say the same."""
    return f"{time_of(value, field)[:19]}Z"


def at_path(path: str, key: str) -> str:
    """Put a key behind a path, which may be empty."""
    return f"{path}.{key}" if path else key
