"""Topics: what they must be, what is mended, what is refused; and the same on real brokers."""

from dataclasses import replace

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from deploy.embedded.ports import any_free
from schemas.alerts import ALERT_TOPICS
from schemas.settings import Settings
from schemas.source_gauges import SOURCE_GAUGES
from schemas.topics import DEAD_LETTERS, DEAD_LETTERS_HANDLED, SOURCE_POSITIONS, SOURCES, journal_of
from streams.configuration.environment import load_settings
from streams.kafka.brokers import BrokerUnreachableError, admin_client, broker_answers
from streams.kafka.topic_migration import TopicChange, TopicSpec, migrate_topics, plan, required_topics
from tests.kafka.server import KafkaServer

DAY_MS = 24 * 60 * 60 * 1000


def _found(*topics: TopicSpec) -> dict[str, TopicSpec]:
    return {topic.name: topic for topic in topics}


def _step(steps: tuple[TopicChange, ...], name: str) -> TopicChange:
    return next(step for step in steps if step.topic.name == name)


def test_every_source_has_a_journal_of_as_many_partitions() -> None:
    """Sources, journals and dead letters get the settings' count, alerts and positions one."""
    partitions = {topic.name: topic.partitions for topic in required_topics(Settings(partitions=6))}
    own_count = dict.fromkeys((*SOURCES, *map(journal_of, SOURCES), DEAD_LETTERS), 6)
    assert partitions == own_count | dict.fromkeys(
        (*ALERT_TOPICS, SOURCE_POSITIONS, SOURCE_GAUGES, DEAD_LETTERS_HANDLED), 1
    )


def test_journals_are_compacted_and_keep_tombstones_longer_than_an_outage() -> None:
    """A journal's tombstones outlive a week's outage, and its largest message is 8 MiB."""
    journal = next(topic for topic in required_topics(Settings()) if topic.name == "contacts.chat.journal")
    assert journal.config["cleanup.policy"] == "compact"
    assert int(journal.config["delete.retention.ms"]) > 7 * DAY_MS
    assert journal.config["max.message.bytes"] == str(8 * 1024 * 1024)


@pytest.mark.parametrize(("replication", "acks"), [(1, "1"), (2, "1"), (3, "2"), (5, "2")])
def test_two_copies_must_acknowledge_where_there_are_three(replication: int, acks: str) -> None:
    """Two of at least three copies acknowledge a write; with fewer copies one has to do."""
    assert {topic.config["min.insync.replicas"] for topic in required_topics(Settings(replication=replication))} == {
        acks
    }


def test_what_is_missing_is_made_and_what_is_as_wanted_is_left() -> None:
    """An empty broker gets every topic; where all are there, nothing is to do."""
    topics = required_topics(Settings())
    assert {step.state for step in plan(topics, {})} == {"made"}
    assert {step.state for step in plan(topics, _found(*topics))} == {"there"}


def test_a_smaller_count_than_the_settings_is_refused_with_the_way_out() -> None:
    """A broker may have made sources by itself, of 2 partitions, where the settings say 4: named, with the mend."""
    found = _found(*required_topics(Settings(partitions=2)))
    steps = plan(required_topics(Settings(partitions=4)), found)
    refused = [step for step in steps if step.state == "refused"]
    assert {step.topic.name for step in refused} == {*SOURCES, *map(journal_of, SOURCES)}
    assert "PULSSI_PARTITIONS=2" in refused[0].notes[0]


def test_a_source_may_have_more_partitions_than_the_settings_say() -> None:
    """It was given more by hand: its journal is made with as many; a journal alone tells of no such source."""
    wanted = required_topics(Settings(partitions=4))
    topics = {topic.name: topic for topic in wanted}
    topics["contacts.call"] = replace(topics["contacts.call"], partitions=12)
    del topics["contacts.call.journal"]
    made = _step(plan(wanted, topics), "contacts.call.journal")
    assert (made.state, made.topic.partitions) == ("made", 12)
    topics[made.topic.name] = made.topic
    steps = plan(wanted, topics)
    for name in ("contacts.call", "contacts.call.journal"):
        assert _step(steps, name).notes == ("12 partitions, settings say 4: left",)
    assert not [step for step in steps if step.state == "refused"]
    del topics["contacts.call"]
    assert _step(plan(wanted, topics), "contacts.call.journal").state == "refused"


def test_a_source_that_differs_from_its_journal_is_left() -> None:
    """A source that was given more partitions by hand: the note names both topics, and who waits; no other waits."""
    topics = {topic.name: topic for topic in required_topics(Settings(partitions=4))}
    topics["contacts.call"] = replace(topics["contacts.call"], partitions=12, config={"retention.ms": "1"})
    del topics["contacts.chat"]
    steps = plan(required_topics(Settings(partitions=4)), topics)
    for name in ("contacts.call", "contacts.call.journal"):
        step = _step(steps, name)
        assert (step.state, step.alterations) == ("uneven", {})
        assert "has 12 partitions, contacts.call.journal has 4: workers refuse contacts.call," in step.notes[0]
    assert _step(steps, "contacts.chat").state == "made"


def test_retention_is_raised_and_never_lowered() -> None:
    """Longer retention is set; shorter would delete records, so it is only told; -1, for ever, is longer than any."""
    week, month = required_topics(Settings(retention_days=7)), required_topics(Settings(retention_days=28))
    assert _step(plan(month, _found(*week)), "contacts.chat").alterations == {"retention.ms": str(28 * DAY_MS)}
    lowered = _step(plan(week, _found(*month)), "contacts.chat")
    assert (lowered.state, lowered.alterations) == ("differs", {})
    assert "kafka-configs" in lowered.notes[0]
    for_ever = replace(week[0], config={**week[0].config, "retention.ms": "-1"})
    assert _step(plan(week[:1], _found(for_ever)), week[0].name).alterations == {}


def test_no_broker_is_said_in_one_line() -> None:
    """Nobody listens: the error names the address and how long it waited."""
    settings = Settings(kafka_brokers=f"127.0.0.1:{any_free('127.0.0.1')}")
    with pytest.raises(BrokerUnreachableError, match=r"no Kafka broker answers at 127\.0\.0\.1"):
        migrate_topics(settings, wait_s=0.2)


def test_topics_are_made_and_a_second_run_changes_nothing(fresh_kafka: KafkaServer) -> None:
    """On a real broker: made with the settings' count, then there."""
    settings = load_settings({**fresh_kafka.settings_env(), "PULSSI_PARTITIONS": "3"})
    first = migrate_topics(settings)
    assert {topic.state for topic in first.topics} == {"made"}
    with admin_client(fresh_kafka.bootstrap) as admin:
        described = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
    assert {name: described[name] for name in SOURCES} == dict.fromkeys(SOURCES, 3)
    second = migrate_topics(settings)
    assert second.ok
    assert {topic.state for topic in second.topics} == {"there"}


def test_a_changed_count_is_refused_by_a_real_broker_too(fresh_kafka: KafkaServer) -> None:
    """After 3 partitions, 5 are refused, and nothing is made meanwhile."""
    settings = load_settings({**fresh_kafka.settings_env(), "PULSSI_PARTITIONS": "3"})
    migrate_topics(settings)
    with admin_client(fresh_kafka.bootstrap) as admin:
        admin.delete_topics([DEAD_LETTERS])
    report = migrate_topics(settings.model_copy(update={"partitions": 5}))
    assert not report.ok
    assert _step(report.topics, DEAD_LETTERS).state == "missing"
    with admin_client(fresh_kafka.bootstrap) as admin:
        assert DEAD_LETTERS not in admin.list_topics()


def test_a_source_that_was_given_partitions_stops_no_other_topic(fresh_kafka: KafkaServer) -> None:
    """On a real broker: other topics that are missing are made, and the source and its journal stay as they are."""
    settings = fresh_kafka.with_topics()
    with admin_client(fresh_kafka.bootstrap) as admin:
        admin.create_partitions({"contacts.call": settings.partitions + 2})
        admin.delete_topics([DEAD_LETTERS])
    report = migrate_topics(settings)
    assert report.ok
    assert {step.topic.name for step in report.uneven} == {"contacts.call", "contacts.call.journal"}
    assert _step(report.topics, DEAD_LETTERS).state == "made"
    with admin_client(fresh_kafka.bootstrap) as admin:
        counts = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
    assert (counts["contacts.call"], counts["contacts.call.journal"]) == (settings.partitions + 2, settings.partitions)


def test_settings_of_a_real_topic_are_mended(fresh_kafka: KafkaServer) -> None:
    """A journal that somebody made with Kafka's defaults gets compacted, and takes 8 MiB."""
    settings = load_settings(fresh_kafka.settings_env())
    asked = {
        "contacts.chat.journal": {"num_partitions": 4, "replication_factor": 1, "configs": {"cleanup.policy": "delete"}}
    }
    with admin_client(fresh_kafka.bootstrap) as admin:
        admin.create_topics(asked)
        admin.wait_for_topics(list(asked))
    report = _step(migrate_topics(settings).topics, "contacts.chat.journal")
    assert report.state == "altered"
    assert "cleanup.policy delete -> compact" in report.notes
    with admin_client(fresh_kafka.bootstrap) as admin:
        resource = ConfigResource(ConfigResourceType.TOPIC, "contacts.chat.journal")
        config = admin.describe_configs([resource])["topic"]["contacts.chat.journal"]
    assert config["max.message.bytes"]["value"] == str(8 * 1024 * 1024)


def test_a_broker_comes_back_at_its_address(fresh_kafka: KafkaServer) -> None:
    """Killed and started again it answers where it did, and has its topics."""
    settings = load_settings(fresh_kafka.settings_env())
    migrate_topics(settings)
    fresh_kafka.kill()
    assert not broker_answers(fresh_kafka.bootstrap)
    fresh_kafka.start()
    with admin_client(fresh_kafka.bootstrap, wait_s=5) as admin:
        assert DEAD_LETTERS in admin.list_topics()
