"""Produces COUNT records of SIZE bytes to TOPIC with acks=all and prints how long it took: a load for measurements.

Arguments: bootstrap topic count size. Prints: seconds, user and system CPU seconds, records acknowledged.
"""
import json, os, sys, time
from confluent_kafka import Producer

bootstrap, topic, count, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
acknowledged = failed = 0

def delivered(error, message):
    global acknowledged, failed
    if error is None:
        acknowledged += 1
    else:
        failed += 1

producer = Producer({
    'bootstrap.servers': bootstrap, 'acks': 'all', 'linger.ms': 5, 'batch.size': 1000000,
    'queue.buffering.max.messages': 500000, 'queue.buffering.max.kbytes': 1048576,
    # Reports for failures only, and a count of what was asked: a callback a record would measure Python.
    'delivery.report.only.error': True, 'on_delivery': delivered,
})
producer.list_topics(topic, timeout=60)
value = b'x' * size
started, cpu = time.monotonic(), os.times()
for _ in range(count):
    while True:
        try:
            producer.produce(topic, value)
            break
        except BufferError:
            producer.poll(0.05)
left = producer.flush(300)
elapsed, spent = time.monotonic() - started, os.times()
print(json.dumps({'seconds': elapsed, 'cpu': spent.user + spent.system - cpu.user - cpu.system,
                  'acknowledged': count - failed - left}))
