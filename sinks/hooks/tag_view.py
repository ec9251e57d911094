"""Finds the tags that are put on contacts, in the journals' contact records: each tag of a contact once per run."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from schemas.contact_record import decode_contact, decode_summary
from schemas.journal import CONTACT, Head
from schemas.policies import normal_tag
from schemas.topics import SourcePartition, channel_of
from sinks.hooks.messages import TaggedContact
from streams.journal.step_assembly import Step
from streams.live.read_steps import ReadSteps


class TagView:
    """Finds the tags that some destination wants messages about."""

    def __init__(self, wanted: Callable[[], frozenset[str]], found: Callable[[TaggedContact], Any]) -> None:
        """`wanted` gives the tags in their normal form; `found` gets each tag that is put on a contact."""
        self._wanted = wanted
        self._found = found
        self._steps = ReadSteps()
        self._seen: set[tuple[str, str]] = set()

    @property
    def heads(self) -> Mapping[SourcePartition, Head]:
        """The newest head of each source partition."""
        return self._steps.heads

    def feed(self, steps: Iterable[Step]) -> None:
        """Apply steps."""
        for step in steps:
            channel = channel_of(step.source)
            if self._steps.accept(step) == "known" or channel is None:
                continue
            for _, key, value in step.records:
                if key[:1] == CONTACT and value is not None:
                    self._read(key[1:].decode(), channel, value)

    def _read(self, contact_id: str, channel: Any, value: bytes) -> None:  # noqa: ANN401 - a channel
        """Look for new tags: the summary names those in effect, the samples say when each was put on."""
        wanted, summary = self._wanted(), decode_summary(value)
        names = {normal_tag(tag) for tag in summary["tags"]} & wanted
        if all((contact_id, name) in self._seen for name in names):
            return
        for _, sample in decode_contact(value).samples:
            name = normal_tag(sample.tag)
            if sample.sample == "tagged" and name in wanted and (contact_id, name) not in self._seen:
                self._seen.add((contact_id, name))
                source = summary["source"] or contact_id.partition(":")[0]  # as adapters build the id
                self._found(TaggedContact(contact_id, channel, sample.queue, sample.tag, sample.at, source))
