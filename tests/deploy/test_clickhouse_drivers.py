"""Real drivers of other languages on the embedded ClickHouse: what Grafana, Node programs and BI tools ask it by.

- clickhouse-go over HTTP: 2.27.1, as Grafana's data source 4.3.2 has it, and 2.50.0, which greets (see greeting.py)
- @clickhouse/client for Node
- ClickHouse's JDBC driver, which DBeaver, Metabase and Tableau use; its answers come in LZ4 frames (`compress=1`)

Each is a small program that prints what it got; all must get the same.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.fixtures.clickhouse import ClickHouseServer

HERE: Final = Path(__file__).parent

#: What a tool chain says where it is too old for a module, or cannot reach what it needs.
_CANNOT_BUILD: Final = (
    *("requires go >=", "dial tcp", "no such host", "toolchain not available", "i/o timeout"),
    *("EAI_AGAIN", "ENOTFOUND", "ECONNREFUSED", "EBADENGINE", "ETIMEDOUT"),
    *("Could not transfer artifact", "Unknown host"),
)

pytestmark = pytest.mark.long


def _build(command: list[str], folder: Path) -> None:
    """Run a tool chain; skips where it is missing or cannot reach its packages."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} on the PATH")
    build = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    told = build.stdout + build.stderr
    if build.returncode and any(reason in told for reason in _CANNOT_BUILD):
        pytest.skip(f"{command[0]} cannot build the program here: {told.strip().splitlines()[-1]}")
    assert build.returncode == 0, told


def _go(modules: str, folder: Path) -> list[str]:
    built = folder / "program"
    _build(["go", "build", "-mod=readonly", f"-modfile={modules}", "-o", str(built), "."], HERE / "clickhouse_go")
    return [str(built)]


def _node(folder: Path) -> list[str]:
    shutil.copytree(HERE / "clickhouse_node", folder, dirs_exist_ok=True)
    _build(["npm", "ci", "--no-fund", "--no-audit"], folder)
    return ["node", str(folder / "main.mjs")]


def _jdbc(folder: Path) -> list[str]:
    shutil.copytree(HERE / "clickhouse_jdbc", folder, dirs_exist_ok=True)
    _build(["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libraries"], folder)
    return ["java", "-cp", f"{folder}/libraries/*", str(folder / "Main.java")]


#: Each driver's program, and the compressions that it offers.
DRIVERS: Final[dict[str, tuple[Callable[[Path], list[str]], tuple[str, ...]]]] = {
    "go-of-grafana": (partial(_go, "go.mod"), ("none", "gzip", "lz4", "zstd")),
    "go": (partial(_go, "current.mod"), ("none", "gzip", "lz4", "zstd")),
    "node": (_node, ("none", "gzip")),
    "jdbc": (_jdbc, ("none", "lz4")),
}


@pytest.fixture(scope="module")
def driver(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Build a driver's program; returns the command that runs it."""
    build, _ = DRIVERS[request.param]
    return build(tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize(
    ("driver", "compression"),
    [(name, each) for name, (_, compressions) in DRIVERS.items() for each in compressions],
    indirect=["driver"],
)
def test_a_driver_gets_what_it_asks_for(
    clickhouse_server: ClickHouseServer, driver: list[str], compression: str
) -> None:
    """Types, a batch, a stream, parameters, no rows, an error, and a reader that may not write."""
    ran = subprocess.run(
        [*driver, f"{clickhouse_server.host}:{clickhouse_server.port}", compression],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    seen = json.loads(ran.stdout)
    assert seen["row"] == {
        "at": "2026-03-01T08:30:15.125Z",
        "missing": None,
        "present": 7,
        "channel": "chat",
        "numbers": [1, 2, 3],
        "gauges": {"waiting": 4},
        "share": "12.34",
        "large": "18446744073709551615",
    }
    assert (seen["batch"], seen["batch_sum"]) == (10_000, 49_995_000)
    assert (seen["streamed"], seen["no_rows"]) == (200_000, 0)
    assert seen["parameter"] == "e-mail's"
    assert "47" in seen["error"]
    assert "UNKNOWN_IDENTIFIER" in seen["error"]
    assert "READONLY" in seen["readonly"]
    assert seen.get("columns", 1) == 1  # JDBC: what a BI tool lists of `system.one`
