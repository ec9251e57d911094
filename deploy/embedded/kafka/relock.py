"""`python -m deploy.embedded.kafka.relock`: writes sizes and hashes of `jars.lock` again, after artifacts were changed.

What it writes is what the repository serves now: compare it with what the projects publish before it is committed.
"""

import hashlib
import sys
from urllib.request import urlopen

from deploy.embedded.kafka.jars import CENTRAL, LOCK_FILE, Jar, request_for


def updated_lock(text: str, repository: str) -> str:
    """Return the lock's text with each artifact's present hash and size."""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if not line.startswith("#"):
            artifact = line.split()[-1]
            with urlopen(request_for(repository, Jar("", 0, artifact).path)) as answer:  # noqa: S310 - as `request_for`
                content = answer.read()
            lines[number] = f"{hashlib.sha256(content).hexdigest()} {len(content)} {artifact}\n"
    return "".join(lines)


if __name__ == "__main__":
    #: The first argument names another repository than Maven Central.
    LOCK_FILE.write_text(updated_lock(LOCK_FILE.read_text(encoding="utf-8"), [*sys.argv, CENTRAL][1]), encoding="utf-8")
