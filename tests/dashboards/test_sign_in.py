"""What the settings say of signing in: what starts, what does not, and that nothing of a secret is told."""

from pathlib import Path
from typing import Final

import pytest

from dashboards.wallboard.sign_in import is_of_this_machine, load_sign_in
from schemas.configuration.toml_files import ConfigurationError
from streams.configuration.environment import load_settings
from tests.dashboards.door_site import PASSWORD_HASH, TOKEN

EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - as one that listens everywhere


def _faults(**given: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_sign_in(load_settings({f"PULSSI_{name}": value for name, value in given.items()}))
    return caught.value.faults


@pytest.mark.parametrize(
    ("bind", "alone"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        (EVERYWHERE, False),
        ("::", False),
        ("192.0.2.7", False),
        ("no-such-name.invalid", False),
    ],
)
def test_what_is_of_this_machine(bind: str, *, alone: bool) -> None:
    """Every address that the name stands for."""
    assert is_of_this_machine(bind) is alone


def test_this_machine_alone_needs_none() -> None:
    """Nobody else can ask."""
    assert load_sign_in(load_settings({})).needed is False


@pytest.mark.parametrize("bind", [EVERYWHERE, "::", "192.0.2.7"])
def test_elsewhere_it_does_not_start_without_one(bind: str) -> None:
    """In one line that names the mends."""
    (fault,) = _faults(BIND=bind)
    assert len(fault.splitlines()) == 1
    for mend in (
        *("PULSSI_WALLBOARD_PASSWORD_HASH", "pulssi wallboard hash-password", "PULSSI_WALLBOARD_TOKEN"),
        *("PULSSI_WALLBOARD_PROXY_HEADER", "PULSSI_BIND=127.0.0.1", "docs/sign-in.md", bind),
    ):
        assert mend in fault


@pytest.mark.parametrize(
    "given",
    [
        {"WALLBOARD_TOKEN": TOKEN},
        {"WALLBOARD_PASSWORD_HASH": PASSWORD_HASH},
        {"WALLBOARD_PROXY_HEADER": "X-Forwarded-User", "WALLBOARD_PROXY_FROM": "10.0.0.0/8"},
    ],
)
def test_any_one_is_enough(given: dict[str, str]) -> None:
    """And it is asked for on this machine, too: a proxy may stand before it."""
    for bind in (EVERYWHERE, "127.0.0.1"):
        settings = load_settings({f"PULSSI_{name}": value for name, value in {**given, "BIND": bind}.items()})
        assert load_sign_in(settings).needed is True


def test_a_proxy_without_its_address_is_none() -> None:
    """Anybody could send the header."""
    (fault,) = _faults(BIND=EVERYWHERE, WALLBOARD_PROXY_HEADER="X-Forwarded-User")
    assert "PULSSI_WALLBOARD_PROXY_FROM" in fault
    assert _faults(BIND=EVERYWHERE, WALLBOARD_PROXY_FROM="10.0.0.0/8") != [], "addresses alone sign nobody in"


@pytest.mark.parametrize(
    "value", ["0.0.0.0/0", "::/0", "10.0.0.1/8", "proxy.example", "10.0.0.0/8,,", "10.0.0.0/33", ","]
)
def test_networks_of_everybody_or_nobody_are_refused(value: str) -> None:
    """A network whose host bits are set is a slip, and all of the world is no proxy."""
    with pytest.raises(ConfigurationError, match="WALLBOARD_PROXY_FROM"):
        load_settings({"PULSSI_WALLBOARD_PROXY_FROM": value})


@pytest.mark.parametrize("value", ["X Forwarded", "Host", "cookie", "X-Forwarded-For", "X_User", "X-User:"])
def test_headers_that_others_set_are_refused(value: str) -> None:
    """And names that are none."""
    with pytest.raises(ConfigurationError, match="WALLBOARD_PROXY_HEADER"):
        load_settings({"PULSSI_WALLBOARD_PROXY_HEADER": value})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("PULSSI_WALLBOARD_TOKEN", "short-secret"),
        ("PULSSI_WALLBOARD_TOKEN", "a secret with spaces in it, long enough"),
        ("PULSSI_WALLBOARD_PASSWORD_HASH", "the-password-itself-secret"),
        ("PULSSI_WALLBOARD_PASSWORD_HASH", PASSWORD_HASH.replace("argon2id", "argon2i")),
        ("PULSSI_WALLBOARD_PASSWORD_HASH", PASSWORD_HASH.replace("m=8", "m=4194304")),
    ],
    ids=["short token", "token with spaces", "a password itself", "another argon2", "too much memory"],
)
def test_a_secret_of_the_wrong_form_is_not_repeated(setting: str, value: str) -> None:
    """The fault names the setting and the form."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings({setting: value})
    (fault,) = caught.value.faults
    assert fault.startswith(setting)
    assert value not in fault
    assert "secret" not in fault


def test_secrets_are_in_no_repr(tmp_path: Path) -> None:
    """Of the settings, of the sign-in, of the dump."""
    key = tmp_path / "key"
    key.write_text("k" * 40)
    settings = load_settings(
        {
            "PULSSI_WALLBOARD_TOKEN": TOKEN,
            "PULSSI_WALLBOARD_PASSWORD_HASH": PASSWORD_HASH,
            "PULSSI_WALLBOARD_SESSION_KEY_FILE": str(key),
        }
    )
    found = load_sign_in(settings)
    assert found.is_token(TOKEN)
    for text in (repr(settings), str(settings), settings.model_dump_json(), repr(found), str(found)):
        assert TOKEN not in text
        assert PASSWORD_HASH not in text
        assert "kkkk" not in text


def test_secrets_come_from_files(tmp_path: Path) -> None:
    """A trailing newline is none of theirs; both ways at once are a fault."""
    token, hashed = tmp_path / "token", tmp_path / "hash"
    token.write_text(f"{TOKEN}\n")
    hashed.write_text(f"{PASSWORD_HASH}\n")
    given = {"PULSSI_WALLBOARD_TOKEN_FILE": str(token), "PULSSI_WALLBOARD_PASSWORD_HASH_FILE": str(hashed)}
    found = load_sign_in(load_settings({"PULSSI_BIND": EVERYWHERE, **given}))
    assert found.is_token(TOKEN)
    assert found.password_hash.get_secret_value() == PASSWORD_HASH
    with pytest.raises(ConfigurationError, match="set only one"):
        load_sign_in(load_settings({**given, "PULSSI_WALLBOARD_TOKEN": TOKEN}))


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"secret", b"secret " * 9])
def test_a_file_that_holds_no_secret_is_a_fault(tmp_path: Path, content: bytes | None) -> None:
    """Missing, empty, binary, too short: each names file and setting, all at once, and nothing that was in it."""
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    files = ("WALLBOARD_TOKEN_FILE", "WALLBOARD_PASSWORD_HASH_FILE", "WALLBOARD_SESSION_KEY_FILE")
    faults = _faults(BIND=EVERYWHERE, **dict.fromkeys(files, str(path)))
    named = [name for name in files if any(name in fault for fault in faults)]
    assert named == (list(files) if content != b"secret " * 9 else list(files[:2]))
    for fault in faults:
        assert str(path) in fault
        assert "secret" not in fault.replace(str(path), "")


def test_a_token_is_compared_whole() -> None:
    """No beginning of it, nothing where there is none, and no text that cannot be sent."""
    found = load_sign_in(load_settings({"PULSSI_WALLBOARD_TOKEN": TOKEN}))
    assert [found.is_token(given) for given in (TOKEN[:-1], f"{TOKEN}x", "", "\udcff", TOKEN.upper())] == [False] * 5
    assert load_sign_in(load_settings({})).is_token("") is False
