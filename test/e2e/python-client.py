"""What a program with Kafka's Python client does in its life, against the broker at argv[1]; facts as JSON on stdout.

Runs with confluent-kafka from 1.7.0 on. What an old version does not offer is left out of the facts.
"""

import json
import sys

import confluent_kafka as ck
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

BOOTSTRAP = sys.argv[1]
TOPIC = "python-orders"
GROUP = "python-billing"
RECORDS = 400
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
TIMEOUT = 60

facts = {"client": ck.libversion()[0]}
admin = AdminClient({"bootstrap.servers": BOOTSTRAP})


def only(futures):
    """The result of the one future in a dictionary, or the name of its error."""
    (future,) = futures.values()
    try:
        return future.result(TIMEOUT)
    except KafkaException as error:
        return error.args[0].name()


def make_topic():
    new = NewTopic(TOPIC, num_partitions=3, replication_factor=1, config={"retention.ms": "60000"})
    facts["created"] = only(admin.create_topics([new]))
    facts["created again"] = only(admin.create_topics([new]))
    facts["grown"] = only(admin.create_partitions([NewPartitions(TOPIC, 4)]))
    facts["partitions"] = len(admin.list_topics(TOPIC, timeout=TIMEOUT).topics[TOPIC].partitions)
    resource = ConfigResource("topic", TOPIC)
    facts["retention"] = only(admin.describe_configs([resource]))["retention.ms"].value
    change = ConfigResource("topic", TOPIC, set_config={"retention.ms": "120000"})
    facts["altered"] = only(admin.alter_configs([change]))
    facts["retention then"] = only(admin.describe_configs([resource]))["retention.ms"].value


def produce():
    delivered = []

    def on_delivery(error, message):
        assert error is None, error
        delivered.append((message.partition(), message.offset()))

    for codec in CODECS:
        producer = Producer(
            {
                "bootstrap.servers": BOOTSTRAP,
                "compression.type": codec,
                "enable.idempotence": True,
                "linger.ms": 5,
            }
        )
        for number in range(RECORDS // len(CODECS)):
            producer.produce(
                TOPIC,
                key="customer-%d" % (number % 20),
                value=json.dumps({"codec": codec, "number": number}),
                headers=[("codec", codec)],
                on_delivery=on_delivery,
            )
        assert producer.flush(TIMEOUT) == 0
    facts["delivered"] = len(delivered)
    facts["places"] = len(set(delivered))


def member(**more):
    config = {
        "bootstrap.servers": BOOTSTRAP,
        "group.id": GROUP,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "heartbeat.interval.ms": 500,
    }
    config.update(more)
    return Consumer(config)


def consume():
    """Two members share the partitions, and commit what they have read."""
    assigned = {0: set(), 1: set()}
    members = [member(**{"client.id": "member-%d" % index}) for index in (0, 1)]

    def on_assign(index):
        def callback(_consumer, partitions):
            assigned[index] = {p.partition for p in partitions}

        return callback

    for index, consumer in enumerate(members):
        consumer.subscribe([TOPIC], on_assign=on_assign(index))
    seen, order = [], {}
    both = False
    while len(set(seen)) < RECORDS or not both:
        for index, consumer in enumerate(members):
            message = consumer.poll(0.05)
            both = both or all(assigned.values())
            if message is None:
                continue
            assert message.error() is None, message.error()
            value = json.loads(message.value())
            assert message.headers() == [("codec", value["codec"].encode())]
            seen.append((message.partition(), message.offset()))
            order.setdefault((message.key(), value["codec"]), []).append(value["number"])
    facts["consumed"] = len(set(seen))
    facts["in key order"] = all(sorted(set(n)) == list(dict.fromkeys(n)) for n in order.values())
    facts["shared"] = sorted(assigned[0] | assigned[1])
    facts["owned twice"] = sorted(assigned[0] & assigned[1])
    for consumer in members:
        consumer.commit(asynchronous=False)
    for consumer in members:
        consumer.close()


def look_at_offsets():
    consumer = member()
    partitions = [TopicPartition(TOPIC, index) for index in range(4)]
    committed = consumer.committed(partitions, timeout=TIMEOUT)
    facts["committed"] = sum(p.offset for p in committed if p.offset >= 0)
    ends = [consumer.get_watermark_offsets(p, timeout=TIMEOUT) for p in partitions]
    facts["ends"] = sum(high for _low, high in ends)
    found = consumer.offsets_for_times([TopicPartition(TOPIC, 0, 0)], timeout=TIMEOUT)
    facts["first by time"] = found[0].offset

    # A member that comes back reads on behind what was committed: nothing, until something new is there.
    consumer.subscribe([TOPIC])
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    producer.produce(TOPIC, value="new", partition=0)
    assert producer.flush(TIMEOUT) == 0
    message = None
    while message is None:
        message = consumer.poll(1)
    facts["resumed with"] = message.value().decode()
    message_position = consumer.position([TopicPartition(TOPIC, 0)])[0].offset
    facts["position behind it"] = message_position == message.offset() + 1
    consumer.seek(TopicPartition(TOPIC, 0, 0))
    again = None
    while again is None:
        again = consumer.poll(1)
    facts["after seek"] = [again.partition(), again.offset()]
    consumer.close()


def administer_groups():
    facts["listed"] = GROUP in [group.id for group in admin.list_groups(timeout=TIMEOUT)]
    if not hasattr(admin, "describe_consumer_groups"):
        return
    described = only(admin.describe_consumer_groups([GROUP]))
    facts["group state"] = described.state.name
    groups = admin.list_consumer_groups().result(TIMEOUT)
    facts["listed by state"] = [(g.group_id, g.state.name) for g in groups.valid]
    offsets = only(admin.list_consumer_group_offsets([ck.ConsumerGroupTopicPartitions(GROUP)]))
    facts["offsets listed"] = sum(p.offset for p in offsets.topic_partitions)
    back = ck.ConsumerGroupTopicPartitions(GROUP, [TopicPartition(TOPIC, 0, 1)])
    only(admin.alter_consumer_group_offsets([back]))
    offsets = only(admin.list_consumer_group_offsets([ck.ConsumerGroupTopicPartitions(GROUP)]))
    facts["offset set back"] = [p.offset for p in offsets.topic_partitions if p.partition == 0]
    facts["group deleted"] = only(admin.delete_consumer_groups([GROUP]))
    facts["group deleted again"] = only(admin.delete_consumer_groups([GROUP]))
    facts["brokers"] = len(admin.describe_cluster().result(TIMEOUT).nodes)
    topics = ck.TopicCollection([TOPIC])
    facts["described"] = len(only(admin.describe_topics(topics)).partitions)
    trimmed = only(admin.delete_records([TopicPartition(TOPIC, 0, 1)]))
    facts["trimmed to"] = trimmed.low_watermark


def delete_topic():
    facts["deleted"] = only(admin.delete_topics([TOPIC]))
    facts["deleted again"] = only(admin.delete_topics([TOPIC]))


for step in (make_topic, produce, consume, look_at_offsets, administer_groups, delete_topic):
    step()
print(json.dumps(facts))
