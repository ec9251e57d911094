"""`pulssi follow`: a part that reads what vendors write or must be asked for, as it comes."""

import click

from deploy.cli.config_option import config_option
from deploy.cli.part_commands import run_part, stdin_option
from schemas.configuration.source_models import SOURCES
from streams.configuration.environment import load_settings


@click.command()
@click.argument("source", type=click.Choice(SOURCES), required=False, metavar="[SOURCE]")
@click.argument("account", required=False)
@config_option
@stdin_option
def follow(source: str | None, account: str | None) -> None:
    """Follow a SOURCE: a log that grows, a mailbox, or what has to be asked again and again.

    ACCOUNT is one of sources.toml; without it all of that SOURCE are followed, without a SOURCE all there are. A
    changed sources.toml is used without a restart. Nothing is lost while this is down: it goes on where Kafka has
    everything, also after kill -9. `pulssi up` runs it where sources.toml has such an account.

    Health and metrics are at PULSSI_FOLLOW_PORT (/healthz, /readyz, /metrics). Ends with 1 where no account can be
    followed or sources.toml is faulty, with 70 for a bug: start it again after 70.

    Example: PULSSI_KAFKA_BROKERS=kafka:9092 pulssi follow asterisk main
    """
    settings = load_settings()
    run_part(
        "streams.sources.following.service",
        settings,
        settings,
        lambda each: source in {None, each.source} and account in {None, each.name},
    )
