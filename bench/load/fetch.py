"""Reads COUNT records from the beginning of TOPIC and prints how long it took: a load for measurements.

Arguments: bootstrap topic count partitions. Prints: seconds, CPU seconds, records and bytes read.
"""
import json, os, sys, time
from confluent_kafka import Consumer, TopicPartition, OFFSET_BEGINNING

bootstrap, topic, count, partitions = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
consumer = Consumer({
    'bootstrap.servers': bootstrap, 'group.id': 'measurement', 'enable.auto.commit': False,
    'queued.min.messages': 1000000, 'fetch.message.max.bytes': 1048576, 'check.crcs': False,
})
consumer.list_topics(topic, timeout=60)
consumer.assign([TopicPartition(topic, index, OFFSET_BEGINNING) for index in range(partitions)])
started, cpu = time.monotonic(), os.times()
records = total = 0
while records < count:
    batch = consumer.consume(10000, 60)
    if not batch:
        break
    records += len(batch)
    for message in batch:
        if message.error() is not None:
            raise SystemExit(str(message.error()))
        total += len(message)
elapsed, spent = time.monotonic() - started, os.times()
print(json.dumps({'seconds': elapsed, 'cpu': spent.user + spent.system - cpu.user - cpu.system,
                  'records': records, 'bytes': total}))
consumer.close()
