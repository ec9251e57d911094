"""A bug of an adapter: the payload is refused, and everything else goes on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from streams.dead_letters import replay
from streams.dead_letters.letter import Letter
from streams.dead_letters.replay import NotReplayableError, Replays
from streams.sources.accounts import read_accounts
from streams.sources.adapter import AccountRules, Adapter, Mapped, Payload, Request, UnmappableError
from streams.sources.guarded import map_guarded

RULES: Final = AccountRules("zendesk", "acme")


def _fails(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    del account, answers
    if payload.body == b"refused":
        raise UnmappableError("field", "is wrong")
    raise OverflowError("Anna wrote this")


BUGGY: Final = Adapter("zendesk", "Zendesk", {"hook": _fails}, {})


def test_a_bug_refuses_its_payload(caplog: pytest.LogCaptureFixture) -> None:
    """The log says where the bug is; nothing repeats what its error says. What is refused anyway stays as it is."""
    with pytest.raises(UnmappableError, match="a bug: its adapter fails with OverflowError") as refused:
        map_guarded(BUGGY, "hook", Payload(b"{}"), RULES)
    assert "zendesk/acme fails with OverflowError at line" in caplog.text
    assert "Anna" not in f"{caplog.text}{refused.value}"
    with pytest.raises(UnmappableError, match="field: is wrong"):
        map_guarded(BUGGY, "hook", Payload(b"refused"), RULES)


async def test_a_letter_that_meets_a_bug_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one of the refused ones, and the others are sent."""
    monkeypatch.setattr(replay, "adapter_of", lambda _source: BUGGY)
    (tmp_path / "sources.toml").write_text('[[source]]\nsource = "zendesk"\naccount = "acme"\n', encoding="utf-8")
    about = {"source": "zendesk", "account": "acme", "form": "hook"}
    letter = Letter(0, 0, 0, b"zendesk/acme", b"{}", about, ())
    async with Replays(lambda: read_accounts(tmp_path, {})) as replays:
        with pytest.raises(NotReplayableError, match="a bug"):
            await replays.records_of(letter)
