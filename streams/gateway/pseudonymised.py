"""Pseudonymises a payload: its structure stays, names of people and what they wrote do not.

Only what is known to be harmless stays as it is: words of the vocabulary, times near to now, truth values, single
digits, and numbers in fields that count or measure. Everything else is replaced by an invented value of its kind, made
of a hash with a key that nobody knows. The same value always gives the same one, so that an id can be recognised.
"""

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from streams.gateway.vocabulary import MEASURES, PERSONAL, TIMES, WORDS, words_of

#: Times further away from the payload's own may be of somebody's life.
_NEAR_MS: Final = 400 * 86_400_000
#: Above most durations in milliseconds and every count that is of use, and below every country's telephone numbers.
_LARGEST_MEASURE: Final = 10_000_000
_DEEPEST: Final = 40
_MS: Final = 1000
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)([.,]\d{1,9})? ?(Z|UTC|[+-]\d\d:?\d\d)?")
_MARKS: Final = re.compile(r"[A-Za-z_.:\-/]{1,80}")
_MAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_ADDRESS: Final = re.compile(r"(https?|wss?)://\S+")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_BETWEEN: Final = frozenset("/:*")
#: Marks are taken possessively: else a row of them, as people draw with, can be split in ever so many ways.
_STEPS: Final = re.compile(r"[A-Za-z0-9_.\-]*+([/:*]++[A-Za-z0-9_.\-]*+){1,40}+")
_STEP: Final = re.compile(r"[/:*]|[^/:*]{1,200}")
_DIGITS: Final = re.compile(r"\+?\d{1,40}")


class Pseudonymiser:
    """Replaces what is not known to be harmless in payloads of one account."""

    def __init__(self, key: bytes, known: frozenset[str]) -> None:
        """`known`: the words of the adapter's own code."""
        self._key = key
        self._known = known

    def body(self, body: bytes, at_ms: int) -> Any:  # noqa: ANN401 - JSON
        """Return what may be shown of a body that came at a time: JSON, a form as an object, or a text."""
        try:
            return self.value(orjson.loads(body), "", at_ms)
        except orjson.JSONDecodeError:
            text = body.decode("utf-8", "replace")
        try:
            form = dict(parse_qsl(text, strict_parsing=True, keep_blank_values=True, max_num_fields=500))
        except ValueError:
            return self._text(text, at_ms, "")
        return self.value(form, "", at_ms)

    def value(self, value: Any, name: str, at_ms: int, depth: int = 0) -> Any:  # noqa: ANN401 - JSON
        """Return what may be shown of a value that stands in a field of a name."""
        if value is None or isinstance(value, bool):
            return value
        if depth > _DEEPEST:
            return "…"
        if isinstance(value, str):
            return self._string(value, name, at_ms, depth)
        if isinstance(value, int | float):
            return value if _harmless_number(value, name, at_ms) else self._number(value)
        if isinstance(value, Mapping):
            return {self.name(key): self.value(each, key, at_ms, depth + 1) for key, each in value.items()}
        return [self.value(each, name, at_ms, depth + 1) for each in value]

    def name(self, name: str) -> str:
        """Return a field's name where each of its words is known; else another."""
        if name.lower() in self._known:
            return name
        words = words_of(name)
        harmless = bool(words) and all(word in WORDS or word in self._known for word in words)
        return name if harmless else f"field-{self._hash(name)[:8]}"

    def _string(self, text: str, name: str, at_ms: int, depth: int) -> Any:  # noqa: ANN401 - JSON
        if text[:1] in {"{", "["}:  # JSON in a text
            try:
                inner = orjson.loads(text)
            except orjson.JSONDecodeError:
                pass
            else:
                return orjson.dumps(self.value(inner, name, at_ms, depth + 1)).decode()
        return self._text(text, at_ms, name)

    def _text(self, text: str, at_ms: int, name: str) -> str:
        if not text or (self._is_known(text) and PERSONAL.isdisjoint(words_of(name)[-1:])):
            return text
        if found := _TIME.fullmatch(text):
            return text if _is_near(found, at_ms) else "1970-01-01T00:00:00Z"
        if _DIGITS.fullmatch(text):
            is_number = text == "0" or text[0] not in "+0"
            return text if is_number and _harmless_number(int(text), name, at_ms) else self._digits(text)
        if _STEPS.fullmatch(text):  # such as a path of an API, or a kind with an id behind it
            return "".join(self._step(step) for step in _STEP.findall(text))
        digest = self._hash(text)
        if _UUID.fullmatch(text):
            return str(uuid.UUID(digest))
        if _MAIL.fullmatch(text):
            return f"{digest[:8]}@example.com"
        if _ADDRESS.fullmatch(text):
            return f"https://example.com/{digest[:8]}"
        return f"text-{digest[:8]}"

    def _step(self, step: str) -> str:
        if step in _BETWEEN or self._is_known(step):
            return step
        if step.isdecimal():
            return self._digits(step)
        return str(uuid.UUID(self._hash(step))) if _UUID.fullmatch(step) else f"text-{self._hash(step)[:8]}"

    def _is_known(self, text: str) -> bool:
        words = words_of(text) if _MARKS.fullmatch(text) else []
        return text.lower() in self._known or (bool(words) and all(word in WORDS for word in words))

    def _number(self, number: float) -> float:
        text = str(int(number)) if abs(number) < 1e15 else "9" * 15  # noqa: PLR2004 - what a number holds exactly
        digits = int(self._digits(text.lstrip("-")))
        replaced = -digits if number < 0 else digits
        return replaced if isinstance(number, int) else replaced + 0.5

    def _digits(self, text: str) -> str:
        """Return as many other digits."""
        plus, digits = text[: text.startswith("+")], text.removeprefix("+")
        hashed = str(int(self._hash(text) * 2, 16))[1 : len(digits) + 1]
        other = f"{int(hashed[0]) % 9 + 1}{hashed[1:]}"
        return plus + (other if other != digits else other[::-1] if other != other[::-1] else f"{other[:-1]}0")

    def _hash(self, text: str) -> str:
        return blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16).hexdigest()


def _harmless_number(number: float, name: str, at_ms: int) -> bool:
    if number in range(-1, 10):
        return True
    words = words_of(name)
    if not MEASURES.isdisjoint(words[-2:]) and 0 <= number < _LARGEST_MEASURE:
        return True
    return not TIMES.isdisjoint(words) and any(abs(number * unit - at_ms) < _NEAR_MS for unit in (1, _MS))


def _is_near(found: re.Match[str], at_ms: int) -> bool:
    try:
        at = datetime.fromisoformat(f"{found[1]}T{found[2]}").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(at.timestamp() * _MS - at_ms) < _NEAR_MS
