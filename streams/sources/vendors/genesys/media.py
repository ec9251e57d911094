"""What Genesys Cloud's media, transfers and wrap-up codes mean here; live names are in capitals, later ones are not.

A conversation can have sessions of several media, and a contact stays in one channel: the channel is part of its id.
"""

from collections.abc import Mapping
from typing import Final

from schemas.topics import Channel
from streams.sources.adapter import AccountRules, UnmappableError
from streams.sources.contact_events import ContactEvents

CHANNELS: Final[Mapping[str, Channel]] = {
    "VOICE": "call",
    "CALLBACK": "call",
    "VIDEO": "call",
    "CHAT": "chat",
    "MESSAGE": "chat",
    "EMAIL": "email",
}
#: Screens beside a conversation.
BESIDE: Final = frozenset({"COBROWSE", "SCREENSHARE", "INTERNALMESSAGE"})
#: How a session ended whose user passed the contact on.
TRANSFERS: Final = frozenset(
    {
        *("TRANSFER", "CONSULTTRANSFER", "CONFERENCETRANSFER", "FORWARDTRANSFER"),
        *("NOTAVAILABLETRANSFER", "DNDTRANSFER"),
    }
)
#: How an offer ended that its user did not take.
UNANSWERED: Final = frozenset({"TIMEOUT", "NOANSWERTRANSFER"})
#: What the system writes where an agent chose nothing.
_NO_CODE: Final = "ININ-WRAP-UP-"

# Events of one time, in the order in which they are to be read.
STARTED, TAKEN_BACK, QUEUED, CONNECTED, HELD, RESUMED, SESSION_ENDED, CODED, WRAPPED, CUSTOMER_LEFT = range(1, 11)

#: The id of the event that says that the customer has left.
CUSTOMER_END: Final = "customer:end"


def plain(name: str) -> str:
    """Write `consultTransfer` and `CONSULT_TRANSFER` alike."""
    return name.replace("_", "").upper()


def channel_of(media_type: str, field: str = "mediaType") -> Channel | None:
    """Name the channel; None for what is beside a conversation."""
    media = plain(media_type)
    channel = CHANNELS.get(media)
    if channel is None and media not in BESIDE:
        raise UnmappableError(field, f"{media_type[:32] or 'nothing'} is no medium that is known")
    return channel


def contact_of(account: AccountRules, conversation: str, channel: Channel) -> ContactEvents:
    """Name the contact: a conversation in one of its channels."""
    return ContactEvents(account, f"{conversation}:{channel}", channel)


def abandon(contact: ContactEvents, session: str, at: str, channel: Channel) -> None:
    """Say that the customer left a queue; with it, that the customer left, in the right order.

    Live, both are told within milliseconds of each other, in either order. What says only that the customer left would
    make of the abandonment a visit that ended otherwise, so it is taken back and told behind it.
    """
    contact.add("event.voided", at, session, "voids", seq=TAKEN_BACK, voids=CUSTOMER_END)
    contact.add("contact.abandoned", at, session, "end", seq=SESSION_ENDED)
    leave(contact, at, channel, session, "left")


def accept(contact: ContactEvents, session: str, at: str) -> None:
    """Say that a chat was answered: no message is reported live, so this stands for the first reply."""
    contact.add("message.sent", at, session, "accepted", seq=HELD, author="agent")


def leave(contact: ContactEvents, at: str, channel: Channel, *of_what: object) -> None:
    """Say that the customer is gone: a call is over, anything else is settled."""
    kind = "contact.disconnected" if channel == "call" else "contact.resolved"
    contact.add(kind, at, *of_what, seq=CUSTOMER_LEFT)


def code(contact: ContactEvents, session: str, at: str, wrap_up_code: str) -> None:
    """Put a wrap-up code on as a tag; what the system wrote itself is none."""
    if wrap_up_code and not wrap_up_code.startswith(_NO_CODE):
        contact.add("contact.tagged", at, session, "code", wrap_up_code, seq=CODED, tags=[wrap_up_code])
