"""The simulated centre as tables: its queues, teams and topics, and the shape of its days."""

from dataclasses import dataclass
from typing import Final

from schemas.topics import Channel


@dataclass(frozen=True, eq=False)
class Team:
    """People with the same skills. `slots`: how many contacts one handles at once; in one channel at most several."""

    name: str
    slots: dict[Channel, int]


VOICE_CARE: Final = Team("voice-care", {"call": 1})
VOICE_BILLING: Final = Team("voice-billing", {"call": 1})
SALES: Final = Team("sales", {"call": 1, "chat": 3})
CHAT_CARE: Final = Team("chat-care", {"chat": 3})
BACK_OFFICE: Final = Team("back-office", {"email": 1})
TEAMS: Final = (VOICE_CARE, VOICE_BILLING, SALES, CHAT_CARE, BACK_OFFICE)


@dataclass(frozen=True, eq=False)
class Queue:
    """One queue of one channel."""

    channel: Channel
    name: str
    #: Its part of all contacts.
    share: float
    #: The first is staffed for it, the others help out.
    teams: tuple[Team, ...]
    #: Lognormal: median (seconds) and sigma of a call's talk, a chat's reply, or the work on an e-mail.
    work: tuple[float, float]
    #: How much a wait here weighs against one elsewhere when an agent becomes free.
    weight: float = 1.0
    #: Share of chats that a bot takes first, and of those the share that it settles.
    bot: float = 0.0
    contained: float = 0.0


QUEUES: Final = (
    Queue("call", "support", 0.14, (VOICE_CARE, VOICE_BILLING), (240, 0.65)),
    Queue("call", "billing", 0.11, (VOICE_BILLING, VOICE_CARE), (200, 0.65)),
    Queue("call", "sales", 0.08, (SALES,), (230, 0.7), 1.5),
    Queue("call", "returns", 0.07, (VOICE_CARE, VOICE_BILLING), (150, 0.6), 0.9),
    Queue("chat", "support", 0.15, (CHAT_CARE,), (30, 0.6), 1.0, 0.75, 0.38),
    Queue("chat", "billing", 0.08, (CHAT_CARE,), (28, 0.6), 1.0, 0.75, 0.34),
    Queue("chat", "sales", 0.06, (SALES, CHAT_CARE), (26, 0.6), 1.2),
    Queue("chat", "onboarding", 0.06, (CHAT_CARE,), (30, 0.6), 1.0, 0.5, 0.30),
    Queue("email", "support", 0.09, (BACK_OFFICE,), (210, 0.7)),
    Queue("email", "billing", 0.07, (BACK_OFFICE,), (190, 0.7)),
    Queue("email", "returns", 0.05, (BACK_OFFICE,), (150, 0.7)),
    Queue("email", "onboarding", 0.04, (BACK_OFFICE,), (180, 0.7)),
)
QUEUE: Final = {(queue.channel, queue.name): queue for queue in QUEUES}

#: What is chosen among, with weights: the tags of a queue of this name.
TAGS: Final[dict[str, dict[str, int]]] = {
    "support": {"connection": 30, "router": 18, "slow internet": 20, "installation": 12, "login": 14, "app": 6},
    "billing": {"invoice": 34, "payment": 22, "refund": 16, "payment plan": 10, "e-invoice": 12, "price change": 6},
    "sales": {"new order": 36, "upgrade": 24, "prices": 20, "cancellation": 14, "campaign": 6},
    "returns": {"return": 40, "exchange": 18, "warranty": 20, "refund": 14, "damaged": 8},
    "onboarding": {"activation": 40, "installation": 24, "login": 18, "moving house": 12, "contract": 6},
}
LANGUAGES: Final = {"fi": 78, "sv": 8, "en": 14}
SEGMENTS: Final = {"consumer": 76, "business": 18, "vip": 6}
PRODUCTS: Final = {"broadband": 50, "mobile": 38, "tv": 12}


@dataclass(frozen=True)
class Topic:
    """What a surge is about: its tag, the queues (by name) that feel it, and the share of it that is tagged so."""

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

#: Back office hours, local time, from Monday to Sunday; the last is a day off.
OFFICE_HOURS: Final = (*((7, 19),) * 5, (9, 15), (0, 0))
