"""Tags in effect, and the events that put them there."""

from schemas.policies import Taxonomy, normal_tag, taxonomy_at
from schemas.samples import Sample
from streams.core.event import Event
from streams.core.sample_writer import Dimensions, SampleWriter


def _named(tag: str, taxonomy: Taxonomy | None) -> str:
    name = normal_tag(tag)
    return name if taxonomy is None else taxonomy.aliases.get(name, name)


class Tags:
    """A tag counts where it was put on, if it is still there at the end, by the taxonomy of that time."""

    __slots__ = ("_last", "_sheet", "_written", "in_effect")

    def __init__(self, sheet: SampleWriter) -> None:
        self._sheet = sheet
        self._last: tuple[Event, Dimensions] | None = None
        self.in_effect: dict[str, tuple[Event, Dimensions]] = {}
        #: The samples of these tags; None where they have changed since.
        self._written: list[Sample] | None = None

    def put_on(self, event: Event) -> None:
        """`contact.tagged`; a tag in effect stays where it was put on, and `replace` takes off those that it omits."""
        at_event = (event, self._sheet.force.dimensions())
        self._last, self._written = at_event, None
        taxonomy = taxonomy_at(self._sheet.rules, event.at)
        tags: list[str] = event.fields["tags"]
        if event.fields.get("replace"):
            named = self._meant(tags)
            self.in_effect = {name: put_on for name, put_on in self.in_effect.items() if name in named}
        for tag in tags:
            self.in_effect.setdefault(_named(tag, taxonomy), at_event)

    def take_off(self, event: Event) -> None:
        """`contact.untagged`."""
        self._written = None
        for name in self._meant(event.fields["tags"]):
            del self.in_effect[name]

    def _meant(self, tags: list[str]) -> set[str]:
        """Return the tags in effect that are named, by the taxonomy in force when each was put on."""
        rules = self._sheet.rules
        if not rules.taxonomy_from:
            return self.in_effect.keys() & {_named(tag, rules.taxonomy) for tag in tags}
        return {
            name
            for name, (put_on, _) in self.in_effect.items()
            if any(_named(tag, taxonomy_at(rules, put_on.at)) == name for tag in tags)
        }

    def write(self) -> None:
        """Write the samples of the tags in effect."""
        rows = self._sheet.rows
        if self._written is None:
            before = len(rows)
            self._measure()
            self._written = rows[before:]
        else:
            rows += self._written

    def _measure(self) -> None:
        for tag, (event, dimensions) in self.in_effect.items():
            taxonomy = taxonomy_at(self._sheet.rules, event.at)
            outcome = "known" if taxonomy is None or tag in taxonomy.names else "unknown"
            self._sheet.write("tagged", event, tag, tag=tag, outcome=outcome, by=dimensions)
        if self.in_effect and self._last is not None:
            event, dimensions = self._last
            self._sheet.write("any_tag", event, "", by=dimensions)
