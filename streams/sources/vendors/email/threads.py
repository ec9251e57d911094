"""Finds the contact of each mail; the result depends on the set of mails, not on the order in which they are read.

Most mails name their thread themselves, by the first id in References and by the topic. Others do not: some name only
the mail that they answer, and some agents change the topic. Such a mail joins its own thread with that of a mail that
it refers to, if both have the same topic, or if it answers that mail and is not from a customer. (If a customer answers
with another topic, an old mail was used for a new case.) Joined threads are one contact, named after the earliest mail
of a person. What was stated under another name is taken back and stated again. Threads are never parted, and the
earliest mail only gets earlier: so in the end any order has stated the same.

One thing is beyond that: a mail of an agent whom nothing names as one, read as a customer's before its copy in the
folder of sent mail. It is taken back; a start that was taken back because of it is not said again.
"""

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from streams.sources.vendors.email.mails import Mail
from streams.sources.vendors.email.statements import Statement, merge_id

#: Mails that are remembered; about 1 KB each.
REMEMBERED: Final = 200_000
#: Where a mail stands in the order of time.
Place: TypeAlias = tuple[int, int, str]


class _Contact:
    """Mails that belong together."""

    __slots__ = ("first", "mails", "names", "said", "started_by")

    def __init__(self) -> None:
        #: The threads and tokens that lead here.
        self.names: set[str] = set()
        self.mails: dict[str, Mail] = {}
        #: The earliest mail of a person; it names the contact, and may be forgotten already.
        self.first: Mail | None = None
        #: The name under which its mails were said; empty: nothing was.
        self.said = ""
        #: The mail that was said to start it.
        self.started_by: Mail | None = None

    @property
    def name(self) -> str:
        """The contact's name; empty while nothing of a person is in it."""
        return "" if self.first is None else self.first.thread

    @property
    def start(self) -> Mail | None:
        """The mail that starts it; None where that was not seen: an agent's mail that answers another is not it."""
        is_start = self.first is not None and (self.first.author == "customer" or self.first.begins)
        return self.first if is_start else None


class Threads:
    """Remembers mails and finds their contacts; of the same mails in any order the same."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._mails: dict[str, Mail] = {}
        self._contacts: dict[str, _Contact] = {}
        #: Of mails that were not read yet: those that refer to them.
        self._awaited: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self._mails)

    def place(self, mail: Mail) -> list[Statement]:
        """Remember a mail, and return what is to be said because of it; nothing where it is known."""
        known = self._mails.get(mail.id)
        if known is not None and not _outweighs(mail, known):
            return []
        said = [] if known is None else self._replace(known, mail)
        self._mails[mail.id] = mail
        said += self._join(mail, self._joined(mail))
        self._forget()
        return said

    def settled(self) -> Iterator[tuple[Place, list[Statement]]]:
        """Give for each contact, in the order of time, all that is to be said of it: what `place` comes to."""
        known = {id(each): (each, each.first) for each in self._contacts.values()}
        in_order = sorted(
            ((first, contact) for contact, first in known.values() if first is not None),
            key=lambda each: _place(each[0]),
        )
        for first, contact in in_order:
            names = {each.thread for each in contact.mails.values() if each.is_of_people} - {contact.name}
            others = [each for each in contact.mails.values() if each.is_of_people] if contact.start is None else []
            said = _taken_back(contact, names) + _not_started_by(contact.name, first.at, others)
            yield _place(first), said + [_of(contact, each) for each in sorted(contact.mails.values(), key=_place)]

    def _replace(self, known: Mail, mail: Mail) -> list[Statement]:
        """Put a better copy in a mail's place, and take back what was said because of the other."""
        contact = self._contacts[known.thread]
        contact.mails[mail.id] = mail
        if contact.first is not None and contact.first.id == mail.id:
            people = (each for each in contact.mails.values() if each.is_of_people)
            contact.first = min(people, key=_place, default=None)
        if contact.started_by == known:
            contact.started_by = None
        if known.event_ids == mail.event_ids or not contact.said:
            return []
        return [Statement(contact.said, known.at, voids=known.event_ids)]

    def _joined(self, mail: Mail) -> list[_Contact]:
        """Find the contacts that a mail joins, each once; the one of its own thread is the first."""
        names = [mail.thread, *([mail.token] if mail.token else []), *(each.thread for each in self._linked(mail))]
        found: dict[int, _Contact] = {}
        for name in names:
            contact = self._contacts.get(name)
            if contact is None:
                contact = self._contacts[name] = _Contact()
                contact.names.add(name)
            found[id(contact)] = contact
        return list(found.values())

    def _linked(self, mail: Mail) -> Iterator[Mail]:
        """Find the mails that it belongs to, and those that were read before it and belong to it."""
        for each in mail.references:
            other = self._mails.get(each)
            if other is None:
                self._awaited.setdefault(each, []).append(mail.id)
            elif _belongs(mail, other):
                yield other
        for each in self._awaited.pop(mail.id, ()):
            later = self._mails.get(each)
            if later is not None and _belongs(later, mail):
                yield later

    def _join(self, mail: Mail, joined: list[_Contact]) -> list[Statement]:
        """Make one contact of those that a mail joins, and tell what is to be said."""
        firsts = [each.first for each in joined if each.first is not None]
        first = min([*firsts, *([mail] if mail.is_of_people else [])], key=_place, default=None)
        name = "" if first is None else first.thread
        again = {each.id: each for contact in joined if contact.said != name for each in contact.mails.values()}
        others = {contact.said for contact in joined} - {name, ""}
        into = max(joined, key=lambda contact: len(contact.mails))
        for contact in joined:
            into.mails.update(contact.mails)
            into.names |= contact.names
        self._contacts.update(dict.fromkeys(into.names, into))
        into.mails[mail.id] = again[mail.id] = mail
        into.first = first
        start = into.start
        before = [(contact.said, by) for contact in joined if (by := contact.started_by) is not None]
        if start is not None and (name, start) not in before:
            again[start.id] = start
        said = [] if first is None else _taken_back(into, others)
        for called, by in before:
            if (called, by) != (name, start):
                said += _not_started_by(called, by.at, [by])
        into.said, into.started_by = name, start
        if first is None:
            return said
        return said + [_of(into, each) for each in sorted(again.values(), key=_place)]

    def _forget(self) -> None:
        """Forget the mails that were read first, beyond what is remembered."""
        while len(self._mails) > self._remembered:
            mail = self._mails.pop(next(iter(self._mails)))
            contact = self._contacts[mail.thread]
            contact.mails.pop(mail.id, None)
            for each in mail.references:
                waiting = [other for other in self._awaited.pop(each, ()) if other != mail.id]
                if waiting:
                    self._awaited[each] = waiting
            if not contact.mails:
                for name in contact.names:
                    del self._contacts[name]


def _place(mail: Mail) -> Place:
    return mail.at, len(mail.references), mail.id


def _weight(mail: Mail) -> tuple[object, ...]:
    """Sort copies as the fold sorts events of one id: by the fields of the event in the order of their names."""
    return not mail.sent, mail.author, mail.automatic, mail.customer, mail.at, not mail.public, mail.queue


def _outweighs(mail: Mail, known: Mail) -> bool:
    """Tell whether a copy takes a known one's place: one that was sent does, else the one that the fold would take."""
    return _weight(mail) < _weight(known)


def _belongs(mail: Mail, other: Mail) -> bool:
    """Tell whether a mail belongs to the contact of another that it refers to."""
    of_customer = mail.author == "customer" and not mail.automatic
    return mail.topic == other.topic or (not of_customer and other.id in mail.parents)


def _of(contact: _Contact, mail: Mail) -> Statement:
    return Statement(contact.name, mail.at, mail, starts=contact.start is not None and contact.start.id == mail.id)


def _taken_back(contact: _Contact, names: Iterable[str]) -> list[Statement]:
    """Say that contacts of these names are a part of this one, and that it is no part of theirs."""
    first = contact.first
    if first is None or not (told := sorted(names)):
        return []
    parts = [Statement(name, first.at, into=contact.name, because=first.id) for name in told]
    others = (each.id for each in contact.mails.values() if each.is_of_people and each.thread != contact.name)
    return [*parts, Statement(contact.name, first.at, voids=tuple(merge_id(each) for each in sorted(others)))]


def _not_started_by(name: str, at: int, mails: Iterable[Mail]) -> list[Statement]:
    """Take back that mails started a contact: an earlier one is known, or that it began before it was seen."""
    voids = tuple(each for mail in sorted(mails, key=_place) for each in mail.event_ids[:2])
    return [Statement(name, at, voids=voids)] if voids else []
