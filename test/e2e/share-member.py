"""A member of a share group (confluent-kafka 2.16.1): prints each record with its delivery count, acknowledges as it is told.

Arguments: bootstrap, group, topic, how many acknowledgements, then word=record pairs: a record whose value is named there is
released or rejected instead of accepted, the first time that it comes. The word hold: keeps what it got, and says no more.
"""

import sys

from confluent_kafka import AcknowledgeType, ShareConsumer

bootstrap, group, topic, count = sys.argv[1:5]
words = dict(reversed(pair.split("=")) for pair in sys.argv[5:])
types = {"release": AcknowledgeType.RELEASE, "reject": AcknowledgeType.REJECT}

consumer = ShareConsumer(
    {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "share.acknowledgement.mode": "explicit",
    }
)
consumer.subscribe([topic])
print("ready", flush=True)
done = 0
while done < int(count):
    for message in consumer.poll(1.0):
        if message.error():
            print("error", message.error().name(), flush=True)
            continue
        value = message.value().decode()
        word = words.pop(value, None)
        if word == "hold":
            print("holding", message.offset(), flush=True)
            sys.stdin.read()
        consumer.acknowledge(message, types.get(word, AcknowledgeType.ACCEPT))
        print("record", message.offset(), value, word or "accept", flush=True)
        done += 1
    for partition, error in consumer.commit_sync().items():
        print("committed", partition.partition, error, flush=True)
consumer.close()
print("closed", flush=True)
