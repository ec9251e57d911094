"""Where a value leads: from a queue to its dashboard, from a bar or a row to the contacts behind it, to one contact."""

from __future__ import annotations

from typing import Final

from dashboards.grafana_definitions.panels import Link

CONTACT_UID: Final = "pulssi-contact"
_CONTACTS: Final = f"/d/{CONTACT_UID}/contact?"
_CHOSEN: Final = "${channel:queryparam}&${queue:queryparam}"
#: Figures of panes are of the chosen priorities and teams, and so are the contacts behind them.
_WHOSE: Final = "${priority:queryparam}&${team:queryparam}"

#: From a row that has a contact's id.
TO_CONTACT: Final[Link] = (
    "Its events and samples",
    f"{_CONTACTS}var-contact=${{__data.fields.contact_id:percentencode}}&${{__url_time_range}}",
)
#: The same on the dashboard of contacts: what was chosen stays, and with it the list that the contact is in.
TO_CONTACT_OF_LIST: Final[Link] = (
    TO_CONTACT[0],
    TO_CONTACT[1]
    + "".join(
        f"&${{{name}:queryparam}}"
        for name in ("sample", "policy", "target", "channel", "queue", "priority", "team", "tag")
    ),
)
_OF_ROW: Final = "var-channel=${__data.fields.channel:percentencode}&var-queue=${__data.fields.queue:percentencode}"
#: From a row that has a channel and a queue.
TO_QUEUE: Final[Link] = ("Channels and queues", f"/d/pulssi-queues/channels-and-queues?{_OF_ROW}&${{__url_time_range}}")


_OF_JUDGED: Final = "var-sample=${__data.fields.sample:percentencode}&var-policy=${__data.fields.policy:percentencode}"


def contacts_of_row(sample: str) -> Link:
    """From a row that has a channel and a queue to the contacts of a sample in the range."""
    return "The contacts behind it", f"{_CONTACTS}{_OF_ROW}&{_WHOSE}&var-sample={sample}&${{__url_time_range}}"


#: From a row that has a policy and a sample to the contacts that were late by it.
LATE_OF_POLICY: Final[Link] = (
    "The contacts behind it",
    f"{_CONTACTS}{_OF_ROW}&{_WHOSE}&{_OF_JUDGED}&var-target=late&${{__url_time_range}}",
)


def contacts_of_step(sample: str) -> Link:
    """From a step of a graph to the contacts of a sample in it; the answer says from when to when it counted."""
    of_step = "from=${__data.fields.since.numeric}&to=${__data.fields.until.numeric}"
    return "The contacts behind it", f"{_CONTACTS}{_CHOSEN}&{_WHOSE}&var-sample={sample}&{of_step}"


#: From a row that has a tag.
CONTACTS_WITH_TAG: Final[Link] = (
    "The contacts behind it",
    f"{_CONTACTS}{_CHOSEN}&var-sample=tagged&var-tag=${{__data.fields.tag:percentencode}}&${{__url_time_range}}",
)
