"""`pulssi source`: what payloads give, what a running gateway was sent, and which accounts there are."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner, Result

from deploy.cli import main
from deploy.embedded.ports import any_free
from schemas import metric_definitions as declared
from schemas.settings import Settings
from streams.configuration.environment import load_settings
from streams.monitoring.health import Health
from streams.monitoring.prometheus import MetricValue, render
from streams.sources.accounts import FaultyAccount
from tests.dashboards.face_under_fire import in_a_thread
from tests.streams.gateway import made
from tests.streams.gateway.made import SECRET, body, zendesk
from tests.streams.gateway.site import Answer, MemoryWrites, Site, gateway


@pytest.fixture(autouse=True)
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Have the commands read a folder with the accounts of the tests; returns the port of their gateway."""
    port = any_free("127.0.0.1")
    made.write_sources(tmp_path)
    monkeypatch.setattr("streams.sources.registry.adapter_of", made.adapter_of)
    settings = {"PULSSI_CONFIG": str(tmp_path), "PULSSI_GATEWAY_PORT": str(port), "XDG_STATE_HOME": str(tmp_path)}
    for name, value in {**settings, **made.VARIABLES}.items():
        monkeypatch.setenv(name, value)
    return port


@pytest.fixture
def site(tmp_path: Path, configured: int) -> Iterator[Site]:
    """Run the gateway that the commands are pointed at."""
    settings = load_settings({"PULSSI_GATEWAY_PORT": str(configured)})
    with in_a_thread(gateway(tmp_path, settings, MemoryWrites().taken)) as running:
        yield running


def pulssi(*words: object) -> Result:
    """Run a command."""
    return CliRunner().invoke(main, [str(word) for word in words])


def post(site: Site, sent: bytes) -> Answer:
    """Post a signed hook."""

    async def once() -> Answer:
        async with aiohttp.ClientSession() as http:
            own = Site(site.app, site.receiver, site.port, http, site.accounts)
            return await own.post("/hooks/zendesk/acme", sent, zendesk(sent, time.time()))

    return asyncio.run(once())


def test_check_shows_the_events(tmp_path: Path) -> None:
    """One line each, mapped by the account that is named; as JSON, all of it."""
    file = tmp_path / "payload.json"
    file.write_bytes(body(native=7, group="7"))
    shown = pulssi("source", "check", "zendesk", file, "--account", "acme")
    assert shown.exit_code == 0
    assert shown.output.splitlines() == [
        '2026-03-01T08:00:00.000Z  contact.started  zendesk:acme:7  queue="billing"  [created:7]',
        '2026-03-01T08:00:00.000Z  contact.queued  zendesk:acme:7  queue="billing"  [queued:7]',
    ]
    report = json.loads(pulssi("source", "check", "zendesk", file, "--json").output)
    assert [event["contact_id"] for event in report["events"]] == ["zendesk:trial:7"] * 2
    assert (report["nothing"], report["requests"]) == (None, [])


def test_a_terminal_obeys_nothing_of_a_payload(tmp_path: Path) -> None:
    """What would move its cursor is spelled out."""
    file = tmp_path / "payload.json"
    file.write_bytes(body(native="7\x1b[2J"))
    assert "zendesk:acme:7\\x1b[2J  " in pulssi("source", "check", "zendesk", file, "--account", "acme").output


def test_check_needs_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may run where there are none."""
    file = tmp_path / "payload.json"
    file.write_bytes(body())
    for name in made.VARIABLES:
        monkeypatch.delenv(name)
    assert pulssi("source", "check", "chatwoot", file).exit_code == 0


@pytest.mark.parametrize(
    ("sent", "line", "code"),
    [
        (body("unheard"), "unmappable: kind: is none that is known", 1),
        (b"{", "unmappable: the body is not JSON", 1),
        (body("invalid"), "unmappable: score: of contact.rated", 1),
        (body("typing"), "nothing for the numbers: typing: somebody types", 0),
        (body("look"), "needs an answer of the vendor's API first: GET /tickets/1?include=group", 0),
    ],
)
def test_check_says_why_there_are_no_events(tmp_path: Path, sent: bytes, line: str, code: int) -> None:
    """With the exit code for scripts."""
    file = tmp_path / "payload.json"
    file.write_bytes(sent)
    shown = pulssi("source", "check", "zendesk", file, "--account", "acme")
    assert shown.exit_code == code
    assert shown.output.startswith(line)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--form", "audit"), "--form: zendesk has hook"),
        (("--account", "acne"), "sources.toml has no zendesk/acne; did you mean acme?"),
    ],
)
def test_check_names_what_it_cannot_use(tmp_path: Path, words: tuple[str, ...], fault: str) -> None:
    """In one line, with code 2."""
    file = tmp_path / "payload.json"
    file.write_bytes(body())
    shown = pulssi("source", "check", "zendesk", file, *words)
    assert (shown.exit_code, shown.stderr.count("\n")) == (2, 1)
    assert fault in shown.stderr


def test_capture_shows_what_came(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest last, to the terminal or into a file; nobody's words are in it."""
    monkeypatch.setattr("streams.gateway.captured.EVERY_S", 0)
    for number in range(2):
        assert post(site, body(native=number, text="Anna wrote")).status == 200
    shown = pulssi("source", "capture", "zendesk", "acme", "--last", "1")
    assert shown.exit_code == 0
    (line,) = shown.output.splitlines()
    assert json.loads(line)["events"] == ["contact.started", "contact.queued"]
    assert "Anna" not in shown.output
    file = tmp_path / "captured.ndjson"
    shown = pulssi("source", "capture", "zendesk", "acme", "-o", file)
    assert (shown.exit_code, shown.output) == (0, f"{file}: 2 payloads\n")
    assert file.read_text().splitlines()[-1] == line


def test_capture_says_why_it_has_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """None came; another secret; no such account; no secret; no gateway."""
    assert pulssi("source", "capture", "zendesk", "acme").exit_code == 1
    unknown = pulssi("source", "capture", "zendesk", "none")
    assert (unknown.exit_code, "has no zendesk/none" in unknown.stderr) == (2, True)
    secretless = pulssi("source", "capture", "asterisk", "main")
    assert (secretless.exit_code, "has no secret" in secretless.stderr) == (2, True)
    monkeypatch.setenv("ACME", "another")
    refused = pulssi("source", "capture", "zendesk", "acme")
    assert (refused.exit_code, "refuses (401)" in refused.stderr) == (1, True)
    assert "another" not in refused.stderr
    monkeypatch.setenv("PULSSI_GATEWAY_PORT", str(any_free("127.0.0.1")))
    away = pulssi("source", "capture", "zendesk", "acme")
    assert (away.exit_code, "does not answer" in away.stderr) == (3, True)
    assert SECRET not in away.stderr
    assert site.port


def test_list_shows_accounts_addresses_and_counts(site: Site) -> None:
    """Of those that take hooks; and that there are no counts where the gateway is away."""
    post(site, body())
    post(site, body("typing"))
    report = json.loads(pulssi("source", "list", "--json").output)
    assert report["gateway"] is True
    acme, main_exchange = report["accounts"][0], report["accounts"][-1]
    assert acme["hook"] == f"http://127.0.0.1:{site.port}/hooks/zendesk/acme"
    assert {name: number for name, number in acme["hooks"].items() if number} == {"stored": 1, "nothing": 1}
    assert acme["last_payload"] > 0
    assert (main_exchange["hook"], main_exchange["last_payload"]) == (None, None)
    shown = pulssi("source", "list")
    assert "1 stored, 1 nothing" in shown.output
    assert "takes no hooks" in shown.output


@asynccontextmanager
async def follower(port: int) -> AsyncIterator[int]:
    """Answer as a follower that has read an exchange's log."""
    of = "asterisk", "main"
    told = [
        *(MetricValue(declared.FOLLOW_PAYLOADS, 132, of), MetricValue(declared.FOLLOW_EVENTS, 174, of)),
        *(
            MetricValue(declared.FOLLOW_DEAD_LETTERS, 1, of),
            MetricValue(declared.FOLLOW_LAST_PAYLOAD, 1_772_352_000, of),
        ),
        MetricValue(declared.FOLLOW_FAULT, 0, of),
    ]
    health = Health(ready=lambda: None, progress=lambda: None, metrics=lambda: render(told))
    await health.start(Settings(follow_port=port), "follow")
    try:
        yield port
    finally:
        await health.stop()


def test_list_shows_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an account that is followed; and it says where the follower is away."""
    made.write_sources(tmp_path, f'{made.SOURCES}path = "queue_log"\n')
    port = any_free("127.0.0.1")
    monkeypatch.setenv("PULSSI_FOLLOW_PORT", str(port))
    assert "the follower does not answer" in pulssi("source", "list").output
    with in_a_thread(follower(port)):
        shown = pulssi("source", "list").output
        (account,) = [
            each for each in json.loads(pulssi("source", "list", "--json").output)["accounts"] if each["read"]
        ]
    assert "asterisk/main\n    is followed\n    last payload 2026-03-01 08:00:00" in shown
    assert "read: 132 payloads, 174 events, 1 dead letters" in shown
    assert "follower does not" not in shown
    assert (account["last_payload"], account["read"]["events"]) == (1_772_352_000_000, 174)


def test_list_names_who_takes_no_hooks(tmp_path: Path) -> None:
    """An address that would answer 404 is not shown; without a folder that is said."""
    made.write_sources(tmp_path, '[[source]]\nsource = "zendesk"\naccount = "a"\nurl = "https://desk.example.com"\n')
    shown = pulssi("source", "list").output
    assert ("/hooks/zendesk" in shown, "takes no hooks and is not followed" in shown) == (False, True)


def test_list_names_faulty_accounts(tmp_path: Path) -> None:
    """Beside the others, which are shown as ever."""
    made.write_sources(
        tmp_path,
        f'{made.SOURCES}path = 1\n[[source]]\nsource = "zendsk"\naccount = "b"\n',
    )
    shown = pulssi("source", "list")
    assert (shown.exit_code, shown.output.count("faulty: ")) == (0, 2)
    assert "zendesk/acme\n    http://127.0.0.1:" in shown.output
    found = json.loads(pulssi("source", "list", "--json").output)["accounts"]
    assert [(each["source"], len(each["faults"])) for each in found[-2:]] == [("asterisk", 1), ("zendsk", 1)]
    made.write_sources(tmp_path, "[[source]\n")
    assert pulssi("source", "list").exit_code == 2


def test_list_says_what_the_gateway_cannot_use(site: Site, tmp_path: Path) -> None:
    """A secret that is missing there is no fault of the file; a faulty entry may still have hooks that came."""
    post(site, body())
    site.accounts.faulty = (FaultyAccount("zendesk", "acme", ("no secret",), (), {}),)
    shown = pulssi("source", "list").output
    assert "the gateway does not use this entry as it is: `pulssi check-config` says why" in " ".join(shown.split())
    assert json.loads(pulssi("source", "list", "--json").output)["accounts"][0]["hook_fault"] is True
    made.write_sources(tmp_path, made.SOURCES.replace("secret_env", "secret_evn", 1))
    found = json.loads(pulssi("source", "list", "--json").output)["accounts"]
    (acme,) = [each for each in found if (each["source"], each["account"]) == ("zendesk", "acme")]
    assert (len(acme["faults"]), acme["hooks"]["stored"]) == (1, 1)
    shown = pulssi("source", "list").output
    assert "1 stored" in shown[shown.index("faulty: ") :]


def test_list_without_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that none is named, rather than that the file has no account."""
    monkeypatch.delenv("PULSSI_CONFIG")
    assert "no configuration folder is named" in pulssi("source", "list").output


def test_list_without_a_gateway() -> None:
    """The configuration alone."""
    shown = pulssi("source", "list")
    assert shown.exit_code == 0
    assert "zendesk/acme" in shown.output
    assert "the gateway does not answer" in shown.output
