"""Each peer's virtual environment: made from its lock under `.cache/bench/`, and made again when the lock changes."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CACHE: Final = ROOT / ".cache" / "bench"
LOCKS: Final = Path(__file__).parent / "peers"
MADE_WITHIN_S: Final = 600
_REASON: Final = 300


class UnavailableError(Exception):
    """A peer cannot be installed on this machine; says why."""


def version(peer: str, package: str) -> str:
    """Read a package's locked version."""
    found = re.search(rf"^{re.escape(package)}==(\S+)", (LOCKS / f"{peer}.txt").read_text("utf-8"), re.MULTILINE)
    return found[1] if found else "?"


def python(peer: str) -> Path | None:
    """Return the interpreter of the peer's environment; None where it is not there, or of another lock."""
    folder = CACHE / peer
    stamp = folder / "lock"
    made = stamp.is_file() and stamp.read_text("ascii") == _hash(peer)
    return folder / "bin" / "python" if made else None


def make(peer: str) -> Path:
    """Return the interpreter of the peer's environment, making it where it is not there. Raises UnavailableError."""
    if there := python(peer):
        return there
    folder = CACHE / peer
    uv = Path(sys.executable).with_name("uv")
    shutil.rmtree(folder, ignore_errors=True)
    interpreter = folder / "bin" / "python"
    _run([str(uv), "venv", "--quiet", "--python", sys.executable, str(folder)])
    lock = str(LOCKS / f"{peer}.txt")
    _run([str(uv), "pip", "install", "--quiet", "--python", str(interpreter), "--require-hashes", "-r", lock])
    (folder / "lock").write_text(_hash(peer), "ascii")
    return interpreter


def _hash(peer: str) -> str:
    return hashlib.sha256((LOCKS / f"{peer}.txt").read_bytes()).hexdigest()


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=MADE_WITHIN_S,
            check=False,
            env={**os.environ, "UV_LINK_MODE": "copy"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"cannot be installed: {type(error).__name__}") from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise UnavailableError(f"cannot be installed: {' '.join(lines)[-_REASON:]}")
