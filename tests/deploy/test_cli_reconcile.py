"""`pulssi reconcile` and `pulssi explain` as people and scripts see them: what they say, and how they end."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from schemas.settings import Settings
from tests.deploy.program import run as program_run
from tests.sinks.reconcile.worker_and_sink import WorkerAndSink, end_epochs, story_records

STORY = """
    0 started queue=billing customer_id=kim
    1 bot text="hush"
    2 queued queue=billing
    42 agent agent_id=ann
    50 tagged tags=refund
    60 resolved
"""
#: Runs a command to its end: its exit code, and all that it says.
Run = Callable[..., tuple[int | None, str]]


@pytest.fixture
def base(database: Settings) -> Settings:
    """Have one contact in it, rightly written by an epoch that has ended."""
    WorkerAndSink(database).play(story_records("desk:acme:4711", STORY))
    end_epochs(database)
    return database


@pytest.fixture
def run(base: Settings, tmp_path: Path) -> Run:
    """Run a command against that database."""
    there = {"PULSSI_CLICKHOUSE_URL": base.clickhouse_url, "PULSSI_CLICKHOUSE_DATABASE": base.clickhouse_database}

    def run(*words: str) -> tuple[int | None, str]:
        program = program_run(tmp_path, *words, **there)
        return program.code, program.text

    return run


def test_nothing_differs_is_0(run: Run) -> None:
    """One line of what was compared, one of the outcome; no bar, no colours in a pipe."""
    code, text = run("reconcile")
    assert code == 0
    assert text.splitlines() == ["compared 8 samples, 1 contacts, 8 panes, 1 tag panes", "nothing differs"]


def test_differences_are_named_mended_and_gone(run: Run, client: Client) -> None:
    """Exit 1 with each difference and the totals; `--repair` mends them with 0; then nothing differs."""
    client.command("DELETE FROM samples_rows WHERE sample = 'entered'")
    client.command(
        "INSERT INTO samples_rows SELECT * REPLACE (39000 AS value_ms, version + 1 AS version)"
        " FROM samples_rows WHERE sample = 'first_response'"
    )
    client.command("INSERT INTO tag_panes_rows SELECT * REPLACE ('again' AS supplement) FROM tag_panes_rows")
    code, text = run("reconcile")
    assert code == 1
    assert "samples missing: 1" in text
    assert "  contact_id desk:acme:4711, sample entered, slot e3" in text
    assert "sample first_response: value_ms: is 39000, should be 40000" in text
    assert "tag refund: n: is 2, should be 1" in text
    assert text.splitlines()[-1].startswith("pulssi: ")
    code, text = run("reconcile", "--json", "--list", "0")
    report = json.loads(text[: text.rindex("}") + 1])
    assert (code, report["ok"], report["differences"]) == (1, False, [])
    assert {"table": "samples", "kind": "missing", "n": 1, "compared_only": 0} in report["totals"]
    code, text = run("reconcile", "--repair")
    assert code == 0
    assert "repaired: wrote 2 samples" in text
    assert run("reconcile")[0] == 0


def test_a_configuration_that_came_later_is_told(run: Run, tmp_path: Path) -> None:
    """The samples keep what they were held against: named, exit 0; and `explain` tells what that was."""
    folder = tmp_path / "config"
    folder.mkdir()
    lines = ("[[policy]]", 'name = "chat-10s"', 'metric = "first_response"', 'channel = "chat"', 'target = "10s"')
    (folder / "policies.toml").write_text("\n".join((*lines, "objective = 0.9")))
    code, text = run("reconcile", "--config", str(folder))
    assert code == 0
    assert "samples computed with another configuration (no difference): 1" in text
    assert "policy: is chat-60s, should be chat-10s" in text
    code, text = run("explain", "desk:acme:4711", "--config", str(folder))
    assert code == 0
    assert "within the target of policy chat-60s" in text


def test_a_span_that_is_none_is_2(run: Run) -> None:
    """Times that cannot be read, or that are the wrong way round, are refused by their option's name."""
    code, text = run("reconcile", "--to", "yesterday")
    assert code == 2
    assert "'--to'" in text
    assert run("reconcile", "--from", "now", "--to", "midnight")[0] == 2


def test_a_contact_is_explained_in_the_readers_zone(run: Run) -> None:
    """Events, the clock, each sample with event and policy; not a word of what people wrote."""
    code, text = run("explain", " desk:acme:4711 ", "--time-zone", "Asia/Tokyo")
    assert code == 0
    for line in (
        "contact desk:acme:4711 (chat); times in Asia/Tokyo",
        "  2025-06-16 00:07:00.000+09:00  contact.started  [e1]  queue=billing",
        "  2025-06-16 00:07:01.000+09:00  a message of the bot answers nothing  [e2]",
        "  2025-06-16 00:07:42.000+09:00  ann answers  [e4]",
        "  2025-06-16 00:07:42.000+09:00  first_response: 40.000 s (since 2025-06-16 00:07:02.000+09:00)",
        "      by message.sent [e4]  queue=billing priority=normal agent_id=ann",
        "      within the target of policy chat-60s: 1:00.000 min",
    ):
        assert line in text.splitlines()
    assert "hush" not in text
    code, text = run("explain", "desk:acme:4711", "--json")
    explained = json.loads(text)
    assert (code, explained["events"][0]["at"]) == (0, "2025-06-15T15:07:00.000+00:00")
    assert {"entered", "queue_wait", "tagged"} <= {sample["sample"] for sample in explained["samples"]}
    assert "hush" not in text


def test_a_contact_that_is_not_there_is_1_with_a_hint(run: Run) -> None:
    """A source's own number finds the contact meant; a zone that is none is 2."""
    code, text = run("explain", "4711")
    assert (code, text) == (1, "pulssi: there is no contact 4711; did you mean desk:acme:4711?")
    code, text = run("explain", "nobody")
    assert code == 1
    assert "pulssi drain" in text
    assert run("explain", "desk:acme:4711", "--time-zone", "Mars/Base")[0] == 2


def test_what_is_kept_otherwise_is_told(run: Run, client: Client) -> None:
    """Where ClickHouse has another number than the events come to, the reader learns it here too."""
    client.command("DELETE FROM samples_rows WHERE sample = 'resolution'")
    code, text = run("explain", "desk:acme:4711")
    assert code == 0
    assert "rows in ClickHouse that differ from this result" in text
    assert "  samples resolution e6: missing" in text.splitlines()
