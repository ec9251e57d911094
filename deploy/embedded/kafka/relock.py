"""`python -m deploy.embedded.kafka.relock`: writes sizes and hashes of `jars.lock` again, after artifacts were changed.

What it writes is what the repository serves now: compare it with what the projects publish before it is committed.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from urllib.request import urlopen

from deploy.embedded.kafka.jars import CENTRAL, LOCK_FILE, Jar, request_for


def relocked(text: str, repository: str) -> str:
    """Return the lock's text with each artifact's present hash and size."""
    lines = []
    for line in text.splitlines():
        if line.startswith("#"):
            lines.append(line)
            continue
        artifact = line.split()[-1]
        with urlopen(request_for(repository, Jar("", 0, artifact).path)) as answer:  # noqa: S310 - http, https or file
            content = answer.read()
        lines.append(f"{hashlib.sha256(content).hexdigest()} {len(content)} {artifact}")
    return "\n".join(lines) + "\n"


def main(lock: Path = LOCK_FILE) -> None:
    """Rewrite the lock from the repository that the first argument names (default: Maven Central)."""
    repository = sys.argv[1] if len(sys.argv) > 1 else CENTRAL
    lock.write_text(relocked(lock.read_text(encoding="utf-8"), repository), encoding="utf-8")


if __name__ == "__main__":
    main()
