"""A program under measure: started as a process, its first sign of consuming stamped, ended by its own id."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from deploy.embedded.lifeline import die_with_parent
from tests.kafka.lasting import lasting

ROOT: Final = Path(__file__).parents[2]
ENDS_WITHIN_S: Final = 20
_TAIL: Final = 15
_LOOK_S: Final = 0.2


class EndedError(Exception):
    """A program ended by itself; says with what."""


class Program:
    """A context: whatever runs at its end is ended.

    `mark` is a pattern of the line by which the program says that it begins; with `marks` above 1 that many such lines.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path, mark: str, marks: int = 1
    ) -> None:
        self._command = list(command)
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environment}
        self._log = log
        self._mark = re.compile(mark.encode())
        self._left = marks
        #: Monotonic time at which it began; 0 before.
        self.began = 0.0
        self._cpu = 0.0
        self.begun = threading.Event()

    def __enter__(self) -> Self:
        """Start it."""
        self.process = lasting(
            subprocess.Popen,
            self._command,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def _read(self) -> None:
        pipe = self.process.stdout
        if pipe is None:
            return
        with self._log.open("wb") as log:
            for line in pipe:
                if self._left and self._mark.search(line):
                    self._left -= 1
                    if not self._left:
                        self.began, self._cpu = time.monotonic(), self._cpu_s()
                        self.begun.set()
                log.write(line)

    def wait(self, within_s: float) -> None:
        """Return when it has begun. Raises EndedError where it does not."""
        deadline = time.monotonic() + within_s
        while not self.begun.wait(_LOOK_S):
            self.check()
            if time.monotonic() > deadline:
                raise EndedError(f"did not begin within {within_s:g} s:\n{self._said()}")

    def _said(self) -> str:
        lines = self._log.read_text("utf-8", "replace").splitlines()[-_TAIL:]
        return "\n".join(lines)

    def _cpu_s(self) -> float:
        stat = Path(f"/proc/{self.process.pid}/stat")
        if not stat.is_file():
            return 0.0
        fields = stat.read_text("ascii", "replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def spent_s(self) -> float:
        """Tell what processor time it took since it began; 0 where the system does not tell."""
        return self._cpu_s() - self._cpu

    def check(self) -> None:
        """Raise EndedError where it ended by itself."""
        if self.process.poll() is not None:
            self._reader.join(ENDS_WITHIN_S)
            raise EndedError(f"ended by itself with {self.process.returncode}:\n{self._said()}")

    def __exit__(self, *_: object) -> None:
        """End it."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(ENDS_WITHIN_S)
