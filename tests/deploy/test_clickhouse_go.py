"""clickhouse-go over HTTP, which Grafana's data source uses: the version it pins and a current one."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.fixtures.clickhouse import ClickHouseServer

PROGRAM: Final = Path(__file__).parent / "clickhouse_go"

#: clickhouse-go 2.27.1, as grafana/clickhouse-datasource 4.3.2 has it; 2.50.0, which greets (see greeting.py).
MODULES: Final = ("go.mod", "current.mod")

#: What the tool chain says where it is too old for a module, or cannot reach the modules.
_CANNOT_BUILD: Final = ("requires go >=", "dial tcp", "no such host", "toolchain not available", "i/o timeout")

pytestmark = [
    pytest.mark.go,
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go tool chain on the PATH"),
]


@pytest.fixture(scope="module", params=MODULES)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the program with that version of clickhouse-go."""
    built = tmp_path_factory.mktemp("go") / "clickhouse_go"
    build = subprocess.run(
        ["go", "build", "-mod=readonly", f"-modfile={request.param}", "-o", str(built), "."],
        cwd=PROGRAM,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if build.returncode and any(reason in build.stderr for reason in _CANNOT_BUILD):
        pytest.skip(f"the Go program cannot be built here: {build.stderr.strip().splitlines()[-1]}")
    assert build.returncode == 0, build.stderr
    return built


@pytest.mark.parametrize("compression", ["none", "gzip", "lz4", "zstd"])
def test_clickhouse_go_gets_what_it_asks_for(
    clickhouse_server: ClickHouseServer, program: Path, compression: str
) -> None:
    """Types, a batch, a stream, parameters, no rows, an error, and a reader that may not write."""
    ran = subprocess.run(
        [str(program), f"{clickhouse_server.host}:{clickhouse_server.port}", compression],
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
