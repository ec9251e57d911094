"""Which channel a ticket belongs to: by its `via.channel`, which Zendesk never changes once the ticket exists.

Hooks name it by the via type (`web_service`), the API by who created the ticket (`api`), some answers by a number: all
names stand here, so that every event of a ticket gives the same channel. From Zendesk's references "Via types" and
"Via object", and the list of via types in a public receiver of its hooks (gata.works, MIT).
"""

from collections.abc import Mapping
from typing import Any, Final

from schemas.topics import Channel
from streams.sources.adapter import AccountRules, UnmappableError
from streams.sources.vendor_values import optional_text_at


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Conversations of Zendesk messaging. Their messages come as `messaging_ticket.message_added`, without the ticket's
#: `via`: they are always chats. What such a ticket has as comments are transcripts.
MESSAGING: Final = _names(
    "native_messaging whatsapp line telegram viber wechat kakaotalk apple_business_chat google_business_messages "
    "google_rcs instagram_dm sunshine_conversations_api sunshine_conversations_facebook_messenger "
    "sunshine_conversations_twitter_dm messagebird_sms twilio_sms mailgun business_messaging_slack_connect"
)
#: The former live chat: its comments are transcripts too.
_LIVE_CHAT: Final = frozenset({"chat", "chat_transcript"})
#: Where a comment is no message of the conversation.
WITHOUT_COMMENTS: Final = MESSAGING | _LIVE_CHAT
#: Text messages to phones, which are comments.
_TEXTS: Final = frozenset({"sms", "text_message"})
_CALLS: Final = _names(
    "voice voicemail phone_call_inbound phone_call_outbound api_phone_call_inbound api_phone_call_outbound "
    "api_voicemail"
)
OUTBOUND_CALLS: Final = frozenset({"phone_call_outbound", "api_phone_call_outbound"})
#: All others: forms, mail, the API and what is answered when there is time for it.
_CASES: Final = _names(
    "mail email web web_form web_service web_widget api dropbox batch closed_ticket helpcenter help_center forum "
    "topic mobile mobile_sdk iphone lotus import recovered_from_suspended_tickets ticket_sharing side_conversation "
    "any_channel chat_offline_message facebook facebook_post facebook_message twitter twitter_dm twitter_favorite "
    "sample_ticket sample_interactive_ticket rule rule_revision answer_bot answer_bot_api answer_bot_for_agents "
    "answer_bot_for_sdk answer_bot_for_slack answer_bot_for_web_widget connect_mail connect_sms connect_ipm "
    "get_satisfaction github blog monitor_event resource_push linked_problem omnichannel symphony "
    "automatic_solution_suggestions"
)
#: The via ids of the reference whose meaning was seen.
_NUMBERS: Final[Mapping[str, str]] = {
    "0": "web_form",
    "4": "mail",
    "5": "web_service",
    "8": "rule",
    "15": "iphone",
    "17": "dropbox",
    "20": "batch",
    "21": "recovered_from_suspended_tickets",
    "24": "topic",
    "26": "twitter_dm",
    "27": "closed_ticket",
    "29": "chat",
    "30": "twitter",
    "31": "ticket_sharing",
    "33": "voicemail",
    "34": "phone_call_inbound",
    "35": "phone_call_outbound",
    "37": "text_message",
}
#: Names of one via: a hook's and the API's.
_ALIKE: Final = (
    ("api", "web_service"),
    ("chat", "chat_transcript"),
    ("email", "mail"),
    ("help_center", "helpcenter"),
    ("mobile", "mobile_sdk"),
    ("phone_call_inbound", "voice"),
    ("sms", "text_message"),
    ("web", "web_form"),
)
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {name: names for names in _ALIKE for name in names}
#: Made in a form by whoever submits: by the customer, or by an agent for one.
FORMS: Final = frozenset({"web", "web_form", "mobile", "lotus", "iphone"})


def via_of(within: Any, path: str) -> str:  # noqa: ANN401 - JSON
    """Name the via type at a path such as `detail.via`; empty where there is none."""
    named = optional_text_at(within, f"{path}.channel").lower()
    rel = optional_text_at(within, f"{path}.source.rel").lower()
    # The API calls these `chat` and `voice`, and says in `rel` what they are.
    if rel in {"chat_offline_message", "voicemail"}:
        return rel
    if named == "voice" and rel == "outbound":
        return "phone_call_outbound"
    return _NUMBERS.get(named, named)


def left_out(via: str, account: AccountRules) -> str:
    """Say why a ticket is not taken; empty: it is. Messaging is never left out: its messages do not name their via."""
    is_left_out = via not in MESSAGING and not account.left_out.isdisjoint(_names_of(via))
    return f"via {via}: left out by the account" if is_left_out else ""


def _names_of(via: str) -> tuple[str, ...]:
    """Give all names of a via, so that an account that names one has named it for hooks and API alike."""
    return _NAMES.get(via, (via,))


def channel_of(via: str, field: str, account: AccountRules) -> Channel:
    """Name the channel. Raises UnmappableError for a via type that nobody has said anything of."""
    if via in MESSAGING:
        return "chat"
    named = next((account.channels[name] for name in _names_of(via) if name in account.channels), None)
    if named is not None:
        return named
    if via in _LIVE_CHAT or via in _TEXTS:
        return "chat"
    if via in _CALLS:
        return "call"
    if via in _CASES:
        return "email"
    if account.channel is not None:
        return account.channel
    if not via:
        raise UnmappableError(field, "is missing")
    raise UnmappableError(field, f"is {via[:64]!r}, which is not known: name its channel in `channels` of the account")
