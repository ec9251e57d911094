"""What ClickHouse's users may do: the limits of `08_access.sql` as the engine itself applies them.

The embedded engine cannot make profiles by statements. It reads them from a file, into which those of the statements
are written here: setting by setting, with the same bounds.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import pytest

from schemas.settings import Settings
from sinks.clickhouse import migrations
from sinks.clickhouse.migrations import migrate, statements

_PROFILE: Final = re.compile(r"ALTER SETTINGS PROFILE (\w+) SETTINGS(.*?)TO \w+$", re.DOTALL)
_SETTING: Final = re.compile(r"(\w+) = ('\w+'|[\w.]+)(?: MIN ([\w.]+))?(?: MAX ([\w.]+))?( CONST)?")
_INHERITED: Final = re.compile(r"INHERIT '(\w+)'")
_ASK: Final = """
import json, sys
from chdb.state import connect
folder, config, *asked = sys.argv[1:]
connection, answers = connect(f"{folder}?config-file={config}"), []
for statement in asked:
    try:
        connection.query(statement)
        answers.append("")
    except RuntimeError as error:
        answers.append(str(error))
print(json.dumps(answers))
"""

#: What a client sends, and what is said to it ('': it is done). Grafana's data source asks for the time limit of its
#: settings and five seconds more, and filters by `additional_table_filters`.
ASKED: Final = {
    "SET max_execution_time = 65": "",
    "SET max_execution_time = 30": "",
    "SELECT 1 SETTINGS additional_table_filters = {'t': 'a = 1'}": "",
    "SET max_execution_time = 91": "SETTING_CONSTRAINT_VIOLATION",
    "SET max_execution_time = 0": "SETTING_CONSTRAINT_VIOLATION",
    "SET max_memory_usage = 0": "SETTING_CONSTRAINT_VIOLATION",
    "SET max_memory_usage = 5000000000": "SETTING_CONSTRAINT_VIOLATION",
    "SET max_rows_to_read = 0": "SETTING_CONSTRAINT_VIOLATION",
    "SET max_result_rows = 0": "SETTING_CONSTRAINT_VIOLATION",
    "SET max_result_bytes = 2000000000": "SETTING_CONSTRAINT_VIOLATION",
    "SET max_concurrent_queries_for_user = 0": "SETTING_CONSTRAINT_VIOLATION",
    "SET timeout_overflow_mode = 'break'": "SETTING_CONSTRAINT_VIOLATION",
    "SET readonly = 0": "Cannot modify 'readonly' setting in readonly mode",
    "DROP DATABASE default": "Cannot execute query in readonly mode",
    "CREATE TABLE u (a UInt64) ENGINE = Memory": "Cannot execute query in readonly mode",
    "SELECT number FROM numbers(20000000)": "TOO_MANY_ROWS_OR_BYTES",
    "SELECT count() FROM numbers(3000000000) WHERE number % 2": "TOO_MANY_ROWS",
}


def _profiles() -> dict[str, str]:
    """Return each profile of the statements as the file has it."""
    text = migrations._folder("views")[migrations.ACCESS]  # noqa: SLF001 - what is applied
    profiles = {}
    for name, body in (found.groups() for each in statements(text) if (found := _PROFILE.match(each))):
        values, bounds = [f"<profile>{each}</profile>" for each in _INHERITED.findall(body)], []
        settings = _SETTING.findall(body)
        assert len(settings) == body.count(" = "), "each setting is read"
        for setting, value, least, most, constant in settings:
            values.append(f"<{setting}>{escape(value.strip(chr(39)))}</{setting}>")
            limits = (
                [f"<min>{least}</min>"] * bool(least)
                + [f"<max>{most}</max>"] * bool(most)
                + ["<const/>"] * bool(constant)
            )
            bounds.append(f"<{setting}>{''.join(limits)}</{setting}>" if limits else "")
        profiles[name] = f"<{name}>{''.join(values)}<constraints>{''.join(bounds)}</constraints></{name}>"
    return profiles


@pytest.mark.parametrize("profile", ["pulssi_reader", "pulssi_grafana"])
def test_a_reader_may_lower_its_limits_and_not_lift_them(profile: str, tmp_path: Path) -> None:
    """Each answer is the engine's own."""
    users, config = tmp_path / "users.xml", tmp_path / "config.xml"
    users.write_text(
        f"<clickhouse><profiles><default/>{''.join(_profiles().values())}</profiles><quotas><default/></quotas><users>"
        f"<default><password/><networks><ip>::/0</ip></networks><profile>{profile}</profile><quota>default</quota></default>"
        "</users></clickhouse>"
    )
    config.write_text(f"<clickhouse><users_config>{users}</users_config></clickhouse>")
    words = [sys.executable, "-c", _ASK, str(tmp_path / "data"), str(config), *ASKED]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    answers = dict(zip(ASKED, json.loads(done.stdout), strict=True))
    wrong = {
        each: answers[each]
        for each, said in ASKED.items()
        if (said not in answers[each]) or bool(said) != bool(answers[each])
    }
    assert wrong == {}


def test_the_writer_is_held_up_by_nothing() -> None:
    """No limit of time, rows or queries, and no quota: the sink must always get on."""
    profiles = _profiles()
    assert set(profiles) == {"pulssi_writer", "pulssi_reader", "pulssi_grafana"}
    assert set(re.findall(r"<(\w+)>", profiles["pulssi_writer"])) - {"pulssi_writer", "constraints"} == {
        *("async_insert", "max_memory_usage"),
    }


def test_an_engine_without_users_is_told_of(empty_database: Settings, tmp_path: Path) -> None:
    """A password that could not be set is said at each run, and holds up nothing else."""
    (tmp_path / "password").write_text("geheim\n")
    settings = empty_database.model_copy(update={"clickhouse_reader_password_file": str(tmp_path / "password")})
    said = ["passwords skipped: this ClickHouse, or this user, cannot change users"]
    assert migrate(settings)[-1:] == said
    assert migrate(settings) == said
