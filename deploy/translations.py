"""Keeps the words of the wallboard in step: what the code says, the PO files, and the JSON that the page loads.

`python -m deploy.translations` takes new messages from the modules of page and server into the PO files, drops those
that are not said any more, and compiles all languages. English is what stands in the code. It never changes a
translation: a message whose English text was changed is a new one, without a translation, and the tests name it.
"""

import io
import json
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from dashboards.wallboard.words import DEFAULT
from dashboards.wallboard.words import LANGUAGES as NAMES

WALLBOARD: Final = Path(__file__).resolve().parent.parent / "dashboards/wallboard"
#: Languages with a PO file each; English needs none.
LANGUAGES: Final = tuple(language for language in NAMES if language != DEFAULT)
#: The functions of `words.js` and `words.py` that say a message: plain, with a context, and by a number.
_SAYING: Final[Mapping[str, Any]] = {"t": None, "tc": ((1, "c"), 2), "tn": (1, 2)}
#: gettext's separator of context and message.
_CONTEXT: Final = "\x04"
_HEADER: Final = """\
# The wallboard: the words of one language.
# Translate what follows `msgid` after `msgstr`, with every {name} in it; then run `make messages`.
#"""
#: A date that stays: a file changes only where its messages do.
_BEGINNING: Final = datetime(2026, 1, 1, tzinfo=UTC)


def said(wallboard: Path) -> Catalog:
    """Collect what the modules of page and server say."""
    catalog = _catalogue(None)
    found = extract_from_dir(
        wallboard,
        [("page/**.js", "javascript"), ("*.py", "python")],
        {"page/**.js": {"encoding": "utf-8", "parse_template_string": True}},
        keywords=_SAYING,
        comment_tags=("Translators:",),
    )
    for name, line, words, comments, context in sorted(found, key=lambda each: (each[0], each[1])):
        catalog.add(words, None, [(name.removeprefix("page/"), line)], auto_comments=comments, context=context)
    return catalog


def _catalogue(language: str | None) -> Catalog:
    return Catalog(
        language,
        project="Pulssi",
        version="1",
        msgid_bugs_address="CONTRIBUTING.md",
        header_comment=_HEADER,
        charset="utf-8",
        creation_date=_BEGINNING,
        revision_date=_BEGINNING,
        last_translator="Pulssi",
        language_team="Pulssi",
        fuzzy=False,
    )


def translated(language: str, known: Catalog, messages: Path) -> Catalog:
    """Give each message that is said its translation in the language's file; an empty one where there is none."""
    path = messages / f"{language}.po"
    former = read_po(io.BytesIO(path.read_bytes()), language) if path.is_file() else Catalog(language)
    catalog = _catalogue(language)
    for message in _messages(known):
        old = former.get(_first(message.id), context=message.context)
        string = old.string if old is not None and old.pluralizable == message.pluralizable else ""
        comments = old.user_comments if old is not None else ()
        catalog.add(
            message.id,
            string,
            message.locations,
            auto_comments=message.auto_comments,
            user_comments=comments,
            context=message.context,
        )
    return catalog


def _messages(catalog: Catalog) -> Iterator[Message]:
    return (message for message in catalog if message.id)


def _first(words: Any) -> str:  # noqa: ANN401 - Babel's: a text, or a singular and a plural
    return words if isinstance(words, str) else words[0]


def _key(message: Message) -> str:
    return f"{message.context}{_CONTEXT}{_first(message.id)}" if message.context else _first(message.id)


def _forms(words: Any) -> tuple[str, ...]:  # noqa: ANN401 - Babel's: a text, or one for each plural form
    return (words,) if isinstance(words, str) else tuple(words)


def compiled(language: str, catalog: Catalog) -> bytes:
    """Write the messages as the page loads them: a text each, or one for each plural form by its CLDR name."""
    english = language == "en"
    words: dict[str, str | dict[str, str]] = {}
    for message in _messages(catalog):
        forms = _forms(message.id if english else message.string)
        if all(forms):
            plural = isinstance(message.id, tuple | list)
            words[_key(message)] = dict(zip(("one", "other"), forms, strict=True)) if plural else forms[0]
    return json.dumps({"language": language, "messages": words}, ensure_ascii=False, indent=1).encode() + b"\n"


def generated_files(wallboard: Path = WALLBOARD) -> dict[Path, bytes]:
    """Give the content that every PO file and every compiled file has to have."""
    known = said(wallboard)
    files = {wallboard / "page/messages/en.json": compiled("en", known)}
    for language in LANGUAGES:
        catalog = translated(language, known, wallboard / "messages")
        text = io.BytesIO()
        write_po(text, catalog, width=110, include_lineno=False)
        files[wallboard / f"messages/{language}.po"] = text.getvalue()
        files[wallboard / f"page/messages/{language}.json"] = compiled(language, catalog)
    return files


def outdated(wallboard: Path = WALLBOARD) -> list[str]:
    """Name the files that `make messages` would change."""
    return [
        str(path.relative_to(wallboard))
        for path, content in generated_files(wallboard).items()
        if not path.is_file() or path.read_bytes() != content
    ]


def faults(wallboard: Path = WALLBOARD) -> list[str]:
    """Name each message that a language lacks, and each translation whose placeholders are not the message's."""
    known = said(wallboard)
    found = []
    for language in LANGUAGES:
        for message in _messages(translated(language, known, wallboard / "messages")):
            forms, wanted = _forms(message.string), _placeholders(_forms(message.id))
            if not all(forms) or len(forms) != len(_forms(message.id)):
                found.append(f"{language}: {_key(message)!r} has no translation")
            elif _placeholders(forms) != wanted:
                names = ", ".join(sorted(wanted)) or "none"
                found.append(
                    f"{language}: the translation of {_key(message)!r} has to have these placeholders: {names}"
                )
    return found


def _placeholders(forms: tuple[str, ...]) -> set[str]:
    return {name for form in forms for name in re.findall(r"\{\w+\}", form)}


def main(wallboard: Path = WALLBOARD) -> int:
    """Write what is outdated, and name it and what is missing; returns the exit code."""
    for path, content in generated_files(wallboard).items():
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            sys.stdout.write(f"{path.relative_to(wallboard)} written\n")
    missing = faults(wallboard)
    sys.stdout.writelines(f"{fault}\n" for fault in missing)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
