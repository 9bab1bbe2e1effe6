"""A consumer of confluent-kafka: prints `partition value` for every record, `assigned ...` and `revoked ...` for changes.

Arguments: bootstrap, group, topic, then settings as name=value. SIGTERM ends it by leaving the group.
"""

import signal
import sys

from confluent_kafka import Consumer

bootstrap, group, topic, *settings = sys.argv[1:]
running = True


def stop(*_):
    global running
    running = False


signal.signal(signal.SIGTERM, stop)
consumer = Consumer(
    {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "auto.commit.interval.ms": 200,
        **dict(setting.split("=", 1) for setting in settings),
    }
)


def told(word):
    def tell(_, partitions):
        print(word, *sorted(p.partition for p in partitions), flush=True)

    return tell


consumer.subscribe([topic], on_assign=told("assigned"), on_revoke=told("revoked"), on_lost=told("lost"))
while running:
    message = consumer.poll(0.1)
    if message is None:
        continue
    if message.error():
        print("error", message.error(), file=sys.stderr, flush=True)
        continue
    print(message.partition(), message.value().decode(), flush=True)
consumer.close()
print("closed", flush=True)
