"""Contacts at risk and beyond their target: one cause for each policy and contact.

A contact's alert fires at once and ends at once: that its target has passed is a fact, not noise. Figures are as of
the last whole minute since the contact crossed its target, so that a second costs only a sixtieth of all contacts.
"""

from typing import NamedTuple, cast

from schemas.alert_rules import ContactAlerts
from schemas.alerts import CostlyContact, Dimensions, Measurement
from schemas.calendars import MINUTE_MS
from schemas.policies import Policy, Rules, calendar_for
from schemas.topics import Channel
from streams.alerts.observation import Observation
from streams.alerts.open_contacts import Crossing, OpenContacts
from streams.alerts.policies import policies_at
from streams.core.business_time import business_ms


def elapsed_ms(rules: Rules, policy: Policy, crossing: Crossing, at: int) -> int:
    """Give how long a contact has taken up to an instant, by its policy's clock."""
    queue = crossing.counted[2]
    calendar = calendar_for(rules, queue, policy) if policy.clock == "calendar" else None

    def between(begin: int, end: int) -> int:
        return max(0, end - begin) if calendar is None else business_ms(calendar, begin, end)

    taken = between(crossing.since, at)
    if policy.pauses == "stop":
        pauses = (
            (max(begin, crossing.since), at if end is None else min(end, at)) for begin, end in crossing.contact.pauses
        )
        taken -= sum(between(begin, end) for begin, end in pauses)
    return taken


def observation_of(crossing: Crossing, rules: Rules, policy: Policy, now: int) -> Observation:
    """Give the observation of a contact that is at risk or beyond its target."""
    contact = crossing.contact
    _, channel, queue = crossing.counted
    taken = elapsed_ms(rules, policy, crossing, crossing.at + minutes_since(crossing, now) * MINUTE_MS)
    measured = Measurement(
        value=taken,
        limit=policy.target_ms,
        unit="ms",
        metric=policy.metric,
        target_ms=policy.target_ms,
        objective=policy.objective,
    )
    of = cast("Channel", channel)
    return Observation(
        key=crossing.key,
        kind="contact",
        condition="breached" if crossing.breached else "at_risk",
        rule=policy.name,
        severity="critical" if crossing.breached else "warning",
        dimensions=Dimensions(
            channel=of, queue=queue, priority=contact.priority, segment=contact.segment, contact_id=contact.contact_id
        ),
        measured=measured,
        contacts=(
            CostlyContact(
                contact_id=contact.contact_id, channel=of, queue=queue, value_ms=taken, source=contact.source
            ),
        ),
    )


def minutes_since(crossing: Crossing, now: int) -> int:
    """Give the whole minutes since a contact crossed its target."""
    return (now - crossing.at) // MINUTE_MS


class _Seen(NamedTuple):
    crossing: Crossing
    policy: Policy
    minute: int
    observation: Observation


class ContactRules:
    """Observes all crossings, each again only once a minute."""

    def __init__(self, rules: Rules, alerts: ContactAlerts) -> None:
        self._rules = rules
        self._alerts = alerts
        self._seen: dict[str, _Seen] = {}

    def observations(self, contacts: OpenContacts, now: int) -> dict[str, Observation]:
        """Report each contact at risk or beyond its target; nothing for a policy that is no longer in force."""
        policies = policies_at(self._rules, now)
        before, self._seen = self._seen, {}
        for key, crossing in contacts.crossings.items():
            if not (crossing.breached or self._alerts.at_risk) or crossing.counted[1] not in self._alerts.channels:
                continue
            seen = before.get(key)
            policy = policies.get(crossing.counted[0])
            if policy is None:
                continue
            minute = minutes_since(crossing, now)
            if seen is None or seen[:3] != (crossing, policy, minute):
                seen = _Seen(crossing, policy, minute, observation_of(crossing, self._rules, policy, now))
            self._seen[key] = seen
        return {
            key: seen.observation
            if contacts.is_settled(seen.crossing.contact)
            else seen.observation._replace(settled=False)
            for key, seen in self._seen.items()
        }
