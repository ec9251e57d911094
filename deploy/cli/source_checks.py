"""What `pulssi check-config` says of `sources.toml` beyond the file itself: what the parts would refuse at their start.

A secret may be there where the parts run and not here, so that one is a note. Says never what a secret is.
"""

import os
from pathlib import Path
from typing import NamedTuple


class SourceChecks(NamedTuple):
    """What was found."""

    #: The accounts, as `zendesk/acme`.
    accounts: list[str]
    #: What is missing on this machine.
    notes: list[str]
    #: What a part refuses wherever it runs.
    faults: list[str]


def check_sources(folder: Path | None) -> SourceChecks:
    """Look at the accounts of a folder. Raises ConfigurationError where the file itself cannot be used."""
    # Only now: adapters take time to load.
    from streams.gateway.hook_accounts import secret_fault
    from streams.sources.accounts import read_accounts
    from streams.sources.following.accounts import is_followed
    from streams.sources.registry import adapter_of

    read = read_accounts(folder, os.environ, lambda each: secret_fault(each.entry, adapter_of(each.source)))
    faults = [line for each in read.faulty for line in each.faults if line not in each.missing]
    accounts = [*(each.path for each in read.sound), *(each.path for each in read.faulty)]
    notes = [line for each in read.faulty for line in each.missing]
    for account in read.sound:
        path = account.entry.path
        if path is not None and is_followed(account.entry) and not (account.folder / path).exists():
            notes.append(f"{account.path}: there is no {account.folder / path}")
    return SourceChecks(accounts, notes, faults)
