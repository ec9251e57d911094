"""`hooks.toml` and its secrets: what it may say, every fault with its line, and no secret in any text."""

import re
from pathlib import Path
from typing import Final, get_args

import pytest

from deploy.contract_files import ROOT
from schemas.configuration.hook_models import DestinationType, address_problem
from schemas.configuration.toml_files import ConfigurationError
from sinks.hooks.destinations import PAGERDUTY, Hooks, load_hooks, secret_problem

KEY: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_KEY: Final = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
ROUTING_KEY: Final = "0123456789abcdef0123456789ABCDEF"

WHOLE: Final = """
[links]
dashboard = "https://wallboard.example.com/?queue={queue}&rule={rule}"
conversations.desk = "https://desk.example.com/conversations/{id}"

[[destination]]
name = "duty"
type = "webhook"
url = "https://Duty.Example.com./pulssi"
secret_env = ["DUTY_KEY"]
secret_file = ["old-key"]
filter = { severities = ["critical"], queues = ["billing"] }

[[destination]]
name = "sales"
type = "slack"
url_file = "slack-url"
events = ["tags"]
filter.tags = ["lead"]

[[destination]]
name = "mail"
type = "email"
url = "smtp://pulssi@mail.example.com"
secret_env = ["MAIL_PASSWORD"]
sender = "pulssi@example.com"
to = ["one@example.com", "two@example.com"]

[[destination]]
name = "pages"
type = "pagerduty"
secret_env = ["ROUTING_KEY"]

[[destination]]
name = "on call"
type = "alertmanager"
url_env = "ALERTMANAGER"
allow_plain = true
allow_private = ["alertmanager.lan:9093 10.1.2.0/24"]
"""
ENVIRONMENT: Final = {
    "DUTY_KEY": KEY,
    "MAIL_PASSWORD": "correct horse",
    "ROUTING_KEY": ROUTING_KEY,
    "ALERTMANAGER": "http://monitor:swordfish@alertmanager.lan:9093",
}
SECRETS: Final = (KEY, OLD_KEY, "correct horse", ROUTING_KEY, "swordfish", "T0/B0/secret")


def _loaded(folder: Path, text: str = WHOLE, environment: dict[str, str] = ENVIRONMENT) -> Hooks:
    (folder / "hooks.toml").write_text(text)
    (folder / "old-key").write_text(f"{OLD_KEY}\n")
    (folder / "slack-url").write_text("https://hooks.slack.com/services/T0/B0/secret\n")
    return load_hooks(folder, environment)


def _faults(folder: Path, text: str, environment: dict[str, str] = ENVIRONMENT) -> list[str]:
    try:
        found = [fault for each in _loaded(folder, text, environment).faulty for fault in each.faults]
    except ConfigurationError as error:
        found = error.faults
    return [fault.removeprefix(f"{folder}/") for fault in found]


def test_without_a_file_nobody_is_told(tmp_path: Path) -> None:
    """No folder, and one without the file."""
    assert load_hooks(None, {}).destinations == load_hooks(tmp_path, {}).destinations == ()


def test_destinations_have_their_secrets(tmp_path: Path) -> None:
    """From variables and files, in the order that they are named; hosts in one form, ports by scheme."""
    duty, sales, mail, pages, on_call = _loaded(tmp_path).destinations
    assert [key.get_secret_value() for key in duty.secrets] == [KEY, OLD_KEY]
    assert (duty.host, duty.port, duty.scheme) == ("duty.example.com", 443, "https")
    assert sales.url.get_secret_value() == "https://hooks.slack.com/services/T0/B0/secret"
    assert sales.events == {"tags"}
    assert (mail.user, mail.password, mail.port) == ("pulssi", "correct horse", 587)
    assert mail.to == ("one@example.com", "two@example.com")
    assert (pages.url.get_secret_value(), pages.secrets[0].get_secret_value()) == (PAGERDUTY, ROUTING_KEY)
    assert (on_call.user, on_call.password) == ("monitor", "swordfish")
    assert on_call.allow_private[0][:2] == ("alertmanager.lan", 9093)


def test_no_text_has_a_secret(tmp_path: Path) -> None:
    """Neither `repr` nor `str` of what was loaded."""
    hooks = _loaded(tmp_path)
    told = f"{hooks!r} {hooks} {[f'{each!r} {each}' for each in hooks.destinations]}"
    assert [secret for secret in SECRETS if secret in told] == []


def test_a_faulty_destination_leaves_the_others_usable(tmp_path: Path) -> None:
    """It is held by its name; one whose name cannot be used may be any that is not there."""
    faulty = '[[destination]]\nname = "night"\ntype = "slak"\n'
    hooks = _loaded(tmp_path, f"{WHOLE}\n{faulty}", {**ENVIRONMENT, "DUTY_KEY": ""})
    assert [each.name for each in hooks.destinations] == ["sales", "mail", "pages", "on call"]
    assert [each.name for each in hooks.faulty] == ["duty", "night"]
    assert "hooks.toml:10: destination 'duty'.secret_env 1: the environment variable DUTY_KEY is" in str(hooks.faulty)
    assert [hooks.is_held(name) for name in ("duty", "night", "sales", "other")] == [True, True, False, False]
    nameless = _loaded(tmp_path, WHOLE + faulty.replace('"night"', "7"))
    assert [nameless.is_held(name) for name in ("duty", "other")] == [False, True]


@pytest.mark.parametrize("text", ["destination = 1\n", "[[destination]\n", "[links]\nrunbok = ''\n"])
def test_a_file_that_cannot_be_used_at_all(tmp_path: Path, text: str) -> None:
    """Nobody knows which destinations it means."""
    with pytest.raises(ConfigurationError, match=r"hooks\.toml:1|hooks\.toml:2"):
        _loaded(tmp_path, text)


def test_two_of_one_name_are_both_faulty(tmp_path: Path) -> None:
    """Nobody knows which of them is meant."""
    assert _faults(tmp_path, _entry(_WEBHOOK) * 2) == [
        f"hooks.toml:{line}: destination 'a'.name: appears twice: rename one" for line in (2, 7)
    ]


def test_the_examples_of_the_documentation_are_right(tmp_path: Path) -> None:
    """All of them in one file, with a secret for each name."""
    page = (ROOT / "docs/hooks.md").read_text(encoding="utf-8")
    (tmp_path / "supervisors-teams-url").write_text("https://x.environment.api.powerplatform.com/invoke?sig=1")
    environment = {
        **dict.fromkeys(("DUTY_KEY", "DUTY_OLD_KEY"), KEY),
        "SALES_SLACK_URL": "https://hooks.slack.com/services/T0/B0/secret",
        "PAGERDUTY_KEY": ROUTING_KEY,
        "MAIL_PASSWORD": "correct horse",
    }
    examples = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    loaded = _loaded(tmp_path, "".join(examples), environment)
    assert {each.type for each in loaded.destinations} == set(get_args(DestinationType))


def _entry(text: str, name: str = "a") -> str:
    return f'[[destination]]\nname = "{name}"\n{text}\n'


_WEBHOOK: Final = 'type = "webhook"\nurl = "https://x.example.com"\nsecret_env = ["DUTY_KEY"]'
_SLACK: Final = 'type = "slack"\nurl_env = "SLACK"'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (_entry('type = "slack"'), "hooks.toml:1: destination 'a': needs its address: url_env or url_file"),
        (
            _entry('type = "slack"\nurl = "https://hooks.slack.com/services/T0/B0/secret"'),
            "hooks.toml:1: destination 'a': the address of slack is a secret: use url_env or url_file",
        ),
        (
            _entry('type = "slack"\nurl_env = "https://hooks.slack.com/services/T0/B0/secret"'),
            (
                "hooks.toml:4: destination 'a'.url_env: must be the name of an environment variable, "
                "not a secret itself; "
                "names with PULSSI_ are settings"
            ),
        ),
        (
            _entry(_WEBHOOK + '\nsecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"'),
            "hooks.toml:6: destination 'a'.secret: there is no such key; did you mean secret_env?",
        ),
        (
            _entry('type = "webhook"\nurl = "https://x.example.com"'),
            (
                "hooks.toml:1: destination 'a': needs secret_env or secret_file: the keys that "
                "its deliveries are signed with"
            ),
        ),
        (
            _entry('type = "webhook"\nurl = "http://x.example.com"\nsecret_env = ["DUTY_KEY"]'),
            "hooks.toml:1: destination 'a': url must begin with https://, unless allow_plain is true",
        ),
        (
            _entry('type = "webhook"\nurl = "https://me:swordfish@x.example.com"\nsecret_env = ["DUTY_KEY"]'),
            "hooks.toml:1: destination 'a': url has a password in it: use url_env or url_file",
        ),
        (
            _entry('type = "pagerduty"\nevents = ["tags"]\nfilter.tags = ["x"]\nsecret_env = ["ROUTING_KEY"]'),
            "hooks.toml:1: destination 'a': pagerduty knows alerts only: take tags out of `events`",
        ),
        *(
            (
                _entry(f'type = "pagerduty"\nfilter.states = {states}\nsecret_env = ["ROUTING_KEY"]'),
                (
                    "hooks.toml:1: destination 'a': pagerduty knows no pending alerts: take pending out of "
                    "filter.states, which must not be empty"
                ),
            )
            for states in ('["pending", "firing"]', "[]")
        ),
        (
            _entry(_SLACK + '\nevents = ["tags"]'),
            "hooks.toml:1: destination 'a': needs filter.tags: the tags that it gets messages about",
        ),
        (_entry(_SLACK + '\nto = ["a@b"]'), "hooks.toml:1: destination 'a': `sender` and `to` are for e-mail"),
        (
            _entry(_WEBHOOK + '\nallow_private = ["10.0.0.0/8"]'),
            (
                "hooks.toml:6: destination 'a'.allow_private 1: must be name:port and a network, "
                "such as 'alertmanager.lan:9093 10.1.2.0/24'"
            ),
        ),
        (
            _entry(_WEBHOOK + '\nallow_private = ["x:1 10.0.0.1/8"]'),
            (
                "hooks.toml:6: destination 'a'.allow_private 1: must end in a network whose host bits are 0, "
                "such as 10.1.2.0/24 or fd00::/8"
            ),
        ),
        (
            '[links]\nrunbook = "https://wiki.example.com/{policy}"\n',
            (
                "hooks.toml:2: links.runbook: has braces around what is no placeholder; there are {alert_id}, "
                "{channel}, {condition}, {kind}, {queue}, {rule}, {tag}"
            ),
        ),
        (
            '[links]\nrunbook = "https://{queue}.example.com/"\n',
            (
                "hooks.toml:2: links.runbook: must be an address such as https://desk.example.com/tickets/{id}, "
                "its host without braces"
            ),
        ),
        (
            '[links]\ndashboard = "javascript:alert(1)"\n',
            (
                "hooks.toml:2: links.dashboard: must be an address such as https://desk.example.com/tickets/{id}, "
                "its host without braces"
            ),
        ),
        (
            _entry(_SLACK),
            (
                "hooks.toml:4: destination 'a'.url_env: the environment variable SLACK is not set: set it before the "
                "start, or name a file, which is read again without a restart"
            ),
        ),
        (
            _entry('type = "slack"\nurl_file = "nowhere"'),
            "hooks.toml:4: destination 'a'.url_file: {folder}/nowhere cannot be read: No such file or directory",
        ),
        (
            _entry('type = "slack"\nurl_env = "MAIL_PASSWORD"'),
            ("hooks.toml:4: destination 'a'.url_env: the address must begin with https:// or http:// and name a host"),
        ),
        (
            _entry('type = "webhook"\nurl = "https://x.example.com"\nsecret_env = ["DUTY_KEY", "MAIL_PASSWORD"]'),
            (
                "hooks.toml:5: destination 'a'.secret_env 2: what it holds must be `whsec_` and 24 to 64 random bytes "
                "in base64"
            ),
        ),
        (
            _entry('type = "pagerduty"\nsecret_env = ["DUTY_KEY"]'),
            "hooks.toml:4: destination 'a'.secret_env 1: what it holds must be a routing key of 32 letters and digits",
        ),
    ],
)
def test_a_fault_is_named_once_with_its_line(tmp_path: Path, text: str, fault: str) -> None:
    """In one line, and without what was written or what a variable holds."""
    found = _faults(tmp_path, text)
    assert found == [fault.replace("{folder}", str(tmp_path))]
    assert [secret for secret in SECRETS if secret in found[0]] == []


def test_faults_of_all_secrets_at_once(tmp_path: Path) -> None:
    """Each variable that is missing."""
    assert len(_faults(tmp_path, WHOLE, {})) == 4


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", KEY.removeprefix("whsec_"), f"{KEY}=", KEY[:-4], KEY.replace("r8", "_-"), f"whsec_{'A' * 88}", "é"],
)
def test_keys_that_a_receiver_may_read_otherwise_are_refused(secret: str) -> None:
    """No prefix, url-safe letters, padding out of place, too short, too long."""
    assert secret_problem("webhook", secret) is not None


@pytest.mark.parametrize(
    "url",
    ["", "https://", "https://[::1", "https://x:0/", "https://x:port", "ftp://x", "https://x/a b", "https://x/\n"],
)
def test_what_is_no_address(url: str) -> None:
    """Is refused before anything is connected."""
    assert address_problem("webhook", url, plain=True) is not None


def test_alertmanager_is_named_by_its_root() -> None:
    """Its version 1 is gone: who names a path may mean that."""
    assert address_problem("alertmanager", "https://x/api/v1/alerts", plain=False) is not None
    assert address_problem("alertmanager", "https://x/alertmanager/", plain=False) is None
