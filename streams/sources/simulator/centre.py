"""The simulated centre as plain tables: its queues, teams, topics and how long things take.

Everything that makes the day believable and can be argued about stands here; the other modules only play it out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from schemas.topics import Channel
from streams.sources.simulator.draws import Spread, Weighted


@dataclass(frozen=True)
class Team:
    """People with the same skills. `slots`: how many contacts of a channel one of them handles at once."""

    name: str
    slots: dict[Channel, int]


VOICE_CARE: Final = Team("voice-care", {"call": 1})
VOICE_BILLING: Final = Team("voice-billing", {"call": 1})
SALES: Final = Team("sales", {"call": 1, "chat": 3})
CHAT_CARE: Final = Team("chat-care", {"chat": 3})
BACK_OFFICE: Final = Team("back-office", {"email": 1})
TEAMS: Final = (VOICE_CARE, VOICE_BILLING, SALES, CHAT_CARE, BACK_OFFICE)


@dataclass(frozen=True)
class Queue:
    """One queue of one channel.

    `share`: its part of all contacts; `teams`: whose work it is, the first is staffed for it, the others help out.
    """

    channel: Channel
    name: str
    share: float
    teams: tuple[Team, ...]
    work: Spread
    tags: Weighted[str]
    #: How much the wait of a contact here weighs against that of others when an agent becomes free.
    weight: float = 1.0
    #: Share of chats that a bot takes first, and of those the share that it settles.
    bot: float = 0.0
    contained: float = 0.0
    transfers_to: str | None = field(default=None)

    @property
    def key(self) -> tuple[Channel, str]:
        """Name it within the centre."""
        return self.channel, self.name


_SUPPORT_TAGS: Final = Weighted(
    ("connection", 30), ("router", 18), ("slow internet", 20), ("installation", 12), ("login", 14), ("app", 6)
)
_BILLING_TAGS: Final = Weighted(
    ("invoice", 34), ("payment", 22), ("refund", 16), ("payment plan", 10), ("e-invoice", 12), ("price change", 6)
)
_SALES_TAGS: Final = Weighted(("new order", 36), ("upgrade", 24), ("prices", 20), ("cancellation", 14), ("campaign", 6))
_RETURNS_TAGS: Final = Weighted(("return", 40), ("exchange", 18), ("warranty", 20), ("refund", 14), ("damaged", 8))
_ONBOARDING_TAGS: Final = Weighted(
    ("activation", 40), ("installation", 24), ("login", 18), ("moving house", 12), ("contract", 6)
)

_CALL_WORK: Final = Spread(200, 0.65)

QUEUES: Final = (
    Queue("call", "support", 0.14, (VOICE_CARE, VOICE_BILLING), Spread(240, 0.65), _SUPPORT_TAGS, 1.0, 0, 0, "billing"),
    Queue("call", "billing", 0.11, (VOICE_BILLING, VOICE_CARE), _CALL_WORK, _BILLING_TAGS, 1.0, 0, 0, "support"),
    Queue("call", "sales", 0.08, (SALES,), Spread(230, 0.7), _SALES_TAGS, 1.5, 0, 0, "billing"),
    Queue("call", "returns", 0.07, (VOICE_CARE, VOICE_BILLING), Spread(150, 0.6), _RETURNS_TAGS, 0.9, 0, 0, "billing"),
    Queue("chat", "support", 0.15, (CHAT_CARE,), Spread(30, 0.6), _SUPPORT_TAGS, 1.0, 0.75, 0.38, "billing"),
    Queue("chat", "billing", 0.08, (CHAT_CARE,), Spread(28, 0.6), _BILLING_TAGS, 1.0, 0.75, 0.34, "support"),
    Queue("chat", "sales", 0.06, (SALES, CHAT_CARE), Spread(26, 0.6), _SALES_TAGS, 1.2, 0.0, 0.0, "billing"),
    Queue("chat", "onboarding", 0.06, (CHAT_CARE,), Spread(30, 0.6), _ONBOARDING_TAGS, 1.0, 0.5, 0.30, "support"),
    Queue("email", "support", 0.09, (BACK_OFFICE,), Spread(210, 0.7), _SUPPORT_TAGS, 1.0, 0, 0, "billing"),
    Queue("email", "billing", 0.07, (BACK_OFFICE,), Spread(190, 0.7), _BILLING_TAGS, 1.0, 0, 0, "support"),
    Queue("email", "returns", 0.05, (BACK_OFFICE,), Spread(150, 0.7), _RETURNS_TAGS, 1.0, 0, 0, "billing"),
    Queue("email", "onboarding", 0.04, (BACK_OFFICE,), Spread(180, 0.7), _ONBOARDING_TAGS, 1.0, 0, 0, "support"),
)
QUEUE: Final = {queue.key: queue for queue in QUEUES}

LANGUAGES: Final = Weighted(("fi", 78), ("sv", 8), ("en", 14))
SEGMENTS: Final = Weighted(("consumer", 76), ("business", 18), ("vip", 6))
PRODUCTS: Final = Weighted(("broadband", 50), ("mobile", 38), ("tv", 12))


@dataclass(frozen=True)
class Topic:
    """What a surge is about: its tag, the queue that feels it, and how often (a share of all) it is tagged there."""

    tag: str
    queue: str
    tagged: float = 0.75


MAIN_TOPIC: Final = Topic("outage", "support")
SIDE_TOPICS: Final = (
    Topic("payment failure", "billing"),
    Topic("delivery delay", "returns"),
    Topic("campaign", "sales", 0.6),
)

#: Volume over the 24 hours of a day, by channel; only the shape matters.
DAY_SHAPE: Final[dict[Channel, tuple[float, ...]]] = {
    "call": (5, 4, 4, 4, 5, 7, 12, 24, 46, 58, 60, 52, 44, 50, 54, 52, 46, 36, 26, 20, 16, 12, 9, 7),
    "chat": (8, 6, 5, 5, 5, 7, 10, 18, 34, 46, 50, 44, 38, 42, 48, 50, 48, 44, 40, 38, 36, 30, 20, 12),
    "email": (10, 7, 6, 6, 6, 8, 14, 28, 44, 50, 50, 44, 38, 42, 44, 44, 40, 32, 26, 24, 24, 22, 18, 14),
}
#: Volume from Monday to Sunday; only the shape matters.
WEEK_SHAPE: Final[dict[Channel, tuple[float, ...]]] = {
    "call": (125, 110, 105, 102, 98, 62, 48),
    "chat": (112, 106, 104, 102, 98, 74, 66),
    "email": (125, 112, 106, 102, 95, 58, 52),
}

#: Back office hours, local time, Monday to Sunday; None is a day off.
OFFICE_HOURS: Final = (*((7, 19),) * 5, (9, 15), None)

#: Lines that a contact comes to on average, by channel: as it comes in, and as people work on it (agents' states too).
LINES_AT_ARRIVAL: Final[dict[Channel, float]] = {"call": 12.2, "chat": 19.0, "email": 4.0}
LINES_OF_OFFICE: Final = 13.2
