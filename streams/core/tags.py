"""Tags in effect, and the events that added them."""

from schemas.policies import Taxonomy, normal_tag, taxonomy_at
from schemas.samples import Sample
from streams.core.event import Event
from streams.core.sample_writer import Dimensions, SampleWriter


def _canonical(tag: str, taxonomy: Taxonomy | None) -> str:
    name = normal_tag(tag)
    return name if taxonomy is None else taxonomy.aliases.get(name, name)


class Tags:
    """A tag in effect at the end counts at the event that added it, by the taxonomy of that time."""

    __slots__ = ("_last_tagging", "_writer", "_written", "in_effect")

    def __init__(self, writer: SampleWriter) -> None:
        self._writer = writer
        self._last_tagging: tuple[Event, Dimensions] | None = None
        self.in_effect: dict[str, tuple[Event, Dimensions]] = {}
        #: The samples of these tags; None where they have changed since.
        self._written: list[Sample] | None = None

    def add(self, event: Event) -> None:
        """`contact.tagged`; a tag in effect keeps the event that added it; `replace` removes all others."""
        at_event = (event, self._writer.in_force.dimensions())
        self._last_tagging, self._written = at_event, None
        taxonomy = taxonomy_at(self._writer.rules, event.at)
        tags: list[str] = event.fields["tags"]
        if event.fields.get("replace"):
            stated = self._matching(tags)
            self.in_effect = {name: added for name, added in self.in_effect.items() if name in stated}
        for tag in tags:
            self.in_effect.setdefault(_canonical(tag, taxonomy), at_event)

    def remove(self, event: Event) -> None:
        """`contact.untagged`."""
        self._written = None
        for name in self._matching(event.fields["tags"]):
            del self.in_effect[name]

    def _matching(self, tags: list[str]) -> set[str]:
        """Return the tags in effect that are named, by the taxonomy in force when each was added."""
        rules = self._writer.rules
        if not rules.taxonomy_from:
            return self.in_effect.keys() & {_canonical(tag, rules.taxonomy) for tag in tags}
        return {
            name
            for name, (added, _) in self.in_effect.items()
            if any(_canonical(tag, taxonomy_at(rules, added.at)) == name for tag in tags)
        }

    def write(self) -> None:
        """Write the samples of the tags in effect."""
        samples = self._writer.samples
        if self._written is None:
            before = len(samples)
            self._write_samples()
            self._written = samples[before:]
        else:
            samples += self._written

    def _write_samples(self) -> None:
        for tag, (event, dimensions) in self.in_effect.items():
            taxonomy = taxonomy_at(self._writer.rules, event.at)
            outcome = "known" if taxonomy is None or tag in taxonomy.names else "unknown"
            self._writer.write("tagged", event, tag, tag=tag, outcome=outcome, by=dimensions)
        if self.in_effect and self._last_tagging is not None:
            event, dimensions = self._last_tagging
            self._writer.write("any_tag", event, "", by=dimensions)
