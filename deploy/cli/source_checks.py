"""What `pulssi check-config` says of `sources.toml` beyond the file itself: what the parts would refuse at their start.

A secret may be there where the parts run and not here, so that one is a note. Says never what a secret is.
"""

import os
from pathlib import Path
from typing import NamedTuple

from schemas.configuration.source_models import SourceEntry
from schemas.configuration.toml_files import ConfigurationError
from streams.configuration.folder import read_sources
from streams.configuration.mapping_files import read_mapping


class SourceChecks(NamedTuple):
    """What was found."""

    #: The accounts, as `zendesk/acme`.
    accounts: list[str]
    #: What is missing on this machine.
    notes: list[str]


def check_sources(folder: Path | None) -> SourceChecks:
    """Look at the accounts of a folder. Raises ConfigurationError with what a part would refuse wherever it runs."""
    files = read_sources(folder)
    entries = files.sources
    if folder is None or not entries:
        return SourceChecks([], [])
    # Only now: adapters take time to load.
    from streams.gateway.hook_accounts import secret_fault
    from streams.sources.accounts import load_accounts
    from streams.sources.following.accounts import is_followed
    from streams.sources.registry import adapter_of

    for number, entry in entries:
        for fault in _mapping_faults(folder, entry):
            files.add_fault("sources", ("source", number, "mapping"), fault)
        if (problem := secret_fault(entry, adapter_of(entry.source))) is not None:
            files.add_fault("sources", ("source", number), problem)
    accounts = [f"{entry.source}/{entry.account}" for _, entry in entries]
    if faults := files.faults():
        raise ConfigurationError(faults)
    notes = []
    try:
        load_accounts(folder, os.environ)
    except ConfigurationError as error:
        notes += error.faults
    notes += [
        f"{entry.source}/{entry.account}: there is no {folder / entry.path}"
        for _, entry in entries
        if entry.path is not None and is_followed(entry) and not (folder / entry.path).exists()
    ]
    return SourceChecks(accounts, notes)


def _mapping_faults(folder: Path, entry: SourceEntry) -> list[str]:
    if entry.mapping is None:
        return []
    try:
        read_mapping(folder / entry.mapping)
    except ConfigurationError as error:
        return error.faults
    return []
