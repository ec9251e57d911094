"""What Pulssi signs is accepted by receivers of other languages: those of docs/hooks.md, as they stand there."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError

from schemas.alerts import Alert
from sinks.hooks.answers import Answer, NoAnswerError
from sinks.hooks.delivery import Sender, alert_delivery, tag_delivery
from sinks.hooks.messages import TaggedContact
from sinks.hooks.signing import signature_headers, tag_webhook_id, webhook_id
from tests.sinks.hooks.alerts import FIRED, LINKS, alert
from tests.sinks.hooks.made import KEY, OLD_KEY, destination

HERE: Final = Path(__file__).parent
DOCS: Final = HERE.parents[2] / "docs/hooks.md"
OTHER_KEY: Final = "whsec_c29tZWJvZHkgZWxzZSdzIGtleSwgbm90IG91cnM="

#: What npm says where it cannot reach its packages.
_CANNOT_BUILD: Final = ("EAI_AGAIN", "ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT", "EBADENGINE")


def _example(language: str) -> str:
    """Take the example of a language out of the documentation."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    return str(found)


def _python(folder: Path) -> list[str]:
    (folder / "receiver.py").write_text(_example("python"))
    return [sys.executable, str(folder / "receiver.py")]


def _node(folder: Path) -> list[str]:
    if shutil.which("npm") is None:
        pytest.skip("there is no npm on the PATH")
    shutil.copytree(HERE / "receiver_node", folder, dirs_exist_ok=True)
    command = ["npm", "ci", "--no-fund", "--no-audit"]
    build = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if build.returncode and any(reason in build.stderr for reason in _CANNOT_BUILD):
        pytest.skip(f"npm cannot reach its packages: {build.stderr.strip().splitlines()[-1]}")
    assert build.returncode == 0, build.stderr
    (folder / "receiver.mjs").write_text(_example("js"))
    return ["node", str(folder / "receiver.mjs")]


class Receiver(NamedTuple):
    """A program that listens on 127.0.0.1 and writes a line for each message that it accepts."""

    port: int
    process: "subprocess.Popen[str]"

    def ended(self) -> list[str]:
        """End it; gives the lines that it wrote."""
        self.process.terminate()
        return self.process.communicate(timeout=20)[0].splitlines()


@pytest.fixture(scope="module", params=[_python, _node], ids=["python", "node"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Build a receiver; returns the command that runs it."""
    command: list[str] = request.param(tmp_path_factory.mktemp("receiver"))
    return command


@pytest.fixture
def receiver(program: list[str]) -> Iterator[Receiver]:
    """Run it with the newest key."""
    process = subprocess.Popen(
        program, env={**os.environ, "KEY": KEY, "PORT": "0"}, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert process.stdout is not None
    told = process.stdout.readline().split()
    assert told[:2] == ["listening", "on"]
    yield Receiver(int(told[2]), process)
    process.kill()
    process.wait()
    process.stdout.close()


async def _sent(
    receiver: Receiver, *abouts: Alert | TaggedContact, keys: tuple[str, ...], late_ms: int = 0
) -> list[Answer | NoAnswerError]:
    allowed = ("127.0.0.1", receiver.port, "127.0.0.0/8")
    to = destination(f"http://127.0.0.1:{receiver.port}/pulssi", allowed, secrets=keys)
    sender, answers = Sender(to), []
    for about in abouts:
        made = alert_delivery(about, to, LINKS) if isinstance(about, Alert) else tag_delivery(about, to, LINKS)
        answers.append(await sender.attempt(made, time.time_ns() // 1_000_000 - late_ms))
    await sender.close()
    return answers


async def test_receivers_accept_what_is_signed(receiver: Receiver) -> None:
    """Alerts and tags, whatever letters they have; a repetition is accepted and does nothing."""
    tag = TaggedContact("desk:acme:4711", "chat", "sales", "Überraschung 🙂 & <x>", FIRED, "desk")
    assert await _sent(receiver, alert(), tag, alert(), keys=(KEY,)) == [Answer(204)] * 3
    assert receiver.ended() == [
        "alert.firing [FIRING] The service level slips too fast: call-20s (call, queue billing)",
        "contact.tagged Tag Überraschung 🙂 & <x>: chat in sales",
    ]


@pytest.mark.parametrize("keys", [(KEY, OLD_KEY), (OLD_KEY, KEY)])
async def test_receivers_accept_rotated_keys(receiver: Receiver, keys: tuple[str, ...]) -> None:
    """Signed with the new and the old key, whichever the receiver has."""
    assert await _sent(receiver, alert(), keys=keys) == [Answer(204)]


async def test_receivers_refuse_other_keys(receiver: Receiver) -> None:
    """Else the acceptance above would say nothing; so with an attempt that is not signed again for too long."""
    answers = await _sent(receiver, alert(), keys=(OLD_KEY, OTHER_KEY)) + await _sent(
        receiver, alert(), keys=(KEY,), late_ms=400_000
    )
    assert answers == [Answer(401)] * 2
    assert receiver.ended() == []


def test_each_attempt_is_signed_anew() -> None:
    """With its own time, and the same id."""
    body = b'{"\xc3\xa9":1}'
    now = time.time_ns() // 1_000_000
    one, other = (signature_headers([SecretStr(KEY)], "id", at, body) for at in (now - 60_000, now))
    assert one["webhook-id"] == other["webhook-id"] == "id"
    assert int(other["webhook-timestamp"]) - int(one["webhook-timestamp"]) == 60
    for headers in (one, other):
        assert Webhook(KEY).verify(body, headers) == {"é": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(KEY).verify(body, {**one, "webhook-timestamp": other["webhook-timestamp"]})


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Anchorage"])
def test_the_zone_of_the_machine_does_not_matter(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library takes any time for UTC."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        headers = signature_headers([SecretStr(KEY)], "id", time.time_ns() // 1_000_000, b"{}")
        assert Webhook(KEY).verify(b"{}", headers) == {}
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_delivery_has_an_id_of_its_own() -> None:
    """Another change, another firing, another destination; the same one always has the same."""
    made = alert()
    others = [alert(sequence=3), alert(id="x"), alert(key="other")]
    ids = [webhook_id(each, "duty") for each in (made, *others)] + [webhook_id(made, "other")]
    assert len(set(ids)) == len(ids)
    assert ids[0] == webhook_id(alert(at=FIRED + 1), "duty")
    assert (
        tag_webhook_id("c", " Lead", "duty") == tag_webhook_id("c", "lead", "duty") != tag_webhook_id("c", "x", "duty")
    )


@given(st.lists(st.text(max_size=8), min_size=3, max_size=3), st.lists(st.text(max_size=8), min_size=3, max_size=3))
def test_ids_differ_wherever_their_parts_end(one: list[str], other: list[str]) -> None:
    """And have no dot, which Standard Webhooks forbids."""
    made, another = (webhook_id(alert(key=key, id=firing), name) for key, firing, name in (one, other))
    assert (made == another) == (one == other)
    assert re.fullmatch("[0-9a-f]{32}", made)
