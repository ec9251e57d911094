"""`pulssi follow`: the part that reads logs, mailboxes, databases and APIs of sources as they go on."""

import click

from deploy.cli.common import NearestChoice
from deploy.cli.config_option import config_option
from deploy.cli.part_commands import run_part, stdin_option
from schemas.configuration.source_models import SOURCES
from streams.configuration.environment import load_settings


@click.command()
@click.argument("source", type=NearestChoice(SOURCES), required=False, metavar="[SOURCE]")
@click.argument("account", required=False)
@config_option
@stdin_option
def follow(source: str | None, account: str | None) -> None:
    """Follow a SOURCE: its log, mailbox, database or API.

    A log and a mailbox are read as they grow, a database and an API are polled.

    ACCOUNT is one of sources.toml. Without it all accounts of the SOURCE are followed, without a SOURCE all accounts. A
    changed sources.toml is used without a restart. After any end, also kill -9, it goes on behind what Kafka has
    stored. `pulssi up` runs it if sources.toml has an account to follow.

    Health and metrics are at PULSSI_FOLLOW_PORT (/healthz, /readyz, /metrics). Ends with 1 if no account can be
    followed or sources.toml is no TOML, with 70 for a bug: start it again after 70. The log names a faulty account,
    which is followed once it is corrected; the others are followed meanwhile.

    Example: PULSSI_KAFKA_BROKERS=kafka:9092 pulssi follow asterisk main
    """
    settings = load_settings()
    run_part(
        "streams.sources.following.service",
        settings,
        settings,
        lambda each: source in {None, each.source} and account in {None, each.name},
    )
